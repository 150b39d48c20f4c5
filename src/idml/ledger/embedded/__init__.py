"""The contract on an EVM (the machine that runs Ethereum's contracts) inside this process."""
