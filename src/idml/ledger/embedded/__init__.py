"""The contract on an EVM in this process."""
