"""The contract on a real chain, reached by JSON-RPC: keys, fees, transactions that get through, and their receipts."""
