"""A contract wallet for tests: it acts for its owner, and its owner signs for it (ERC-1271)."""

from idml.ledger.wallet import Wallet

_PARTS = (
    # 0x00: if the selector is that of isValidSignature(bytes32,bytes), go to 0x5a
    "600035 60e0 1c 631626ba7e 14 605a 57",
    # 0x0f: else only the owner may go on, at 0x2e
    "33 73{owner} 14 602e 57 6000 6000 fd",
    # 0x2e: memory = calldata without its first word
    "5b 6020 36 03 6020 6000 37",
    # call(gas, first word of calldata, callvalue, memory); what it answered is the answer
    "6000 6000 6020 36 03 6000 34 600035 5a f1 3d 6000 6000 3e",
    # if it failed revert, else return, at 0x55
    "6055 57 3d 6000 fd 5b 3d 6000 f3",
    # 0x5a: memory[0x00] = digest, [0x20] = v, [0x40] = r, [0x60] = s
    "5b 600435 600052 60a435 6000 1a 602052 606435 604052 608435 606052",
    # memory[0x00] = ecrecover: a static call of the precompile at address 1
    "6020 6000 6080 6000 6001 5a fa 50",
    # return (memory[0x00] == owner) * magic word
    "600051 73{owner} 14 631626ba7e 60e0 1b 02 600052 6020 6000 f3",
)


class ContractWallet:
    """Takes the place of a key where only the address counts.

    Args:
        owner: whose transactions it passes on: to whom as one word, then the calldata.
        address: where it was created.
    """

    def __init__(self, owner: Wallet, address: bytes) -> None:
        self.owner = owner
        self.address = address

    @staticmethod
    def creation(owner: bytes) -> bytes:
        """Code that creates one for an owner (20 bytes): it returns what follows its own twelve bytes."""
        runtime = bytes.fromhex("".join(_PARTS).format(owner=owner.hex()))
        return bytes.fromhex(f"60{len(runtime):02x} 600c 6000 39 60{len(runtime):02x} 6000 f3") + runtime

    def through(self, to: bytes, data: bytes) -> bytes:
        """Calldata for the wallet that makes it call somebody."""
        return bytes(12) + to + data
