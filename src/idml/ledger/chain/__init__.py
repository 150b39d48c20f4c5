"""The contract on a chain, over JSON-RPC: accounts and keys, transactions that get through, events that stay true."""
