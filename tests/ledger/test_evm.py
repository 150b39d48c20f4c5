"""The embedded EVM: both backends give the same gas, outputs, logs and state, whatever runs on them."""

import json

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st

from idml.ledger.embedded.evm import COINBASE, GAS_CAP, INITCODE_LIMIT, Evm, block_hash, contract_address
from idml.ledger.embedded.pyevm_backend import PyEvm
from idml.ledger.embedded.state import Account, ChainState
from idml.ledger.errors import EvmError, ExecutionReverted
from idml.ledger.wallet import Wallet
from idml.protocol.hashing import keccak256

SENDER = b"\xaa" * 20
STRANGER = b"\xbb" * 20
NOBODY = bytes(19) + b"\x77"
DIGEST = b"\x07" * 32


def push(value: int | bytes) -> bytes:
    data = value if isinstance(value, bytes) else value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
    return bytes([0x5F + len(data)]) + data


def code(*parts: int | str | bytes) -> bytes:
    """Assemble: numbers and bytes are pushed, strings are raw code in hex."""
    return b"".join(bytes.fromhex(part) if isinstance(part, str) else push(part) for part in parts)


def creation(runtime: bytes) -> bytes:
    """Creation code that leaves `runtime` behind: codecopy(0, 12, length), return."""
    size = len(runtime).to_bytes(2, "big")
    return b"\x61" + size + b"\x80\x60\x0c\x5f\x39\x5f\xf3\x00\x00" + runtime


def make(backend: str) -> Evm:
    if backend == "pyrevm":
        pytest.importorskip("pyrevm")
        from idml.ledger.embedded.revm_backend import Revm

        return Revm()
    return PyEvm()


def pair() -> tuple[Evm, Evm]:
    evms = make("pyevm"), make("pyrevm")
    for evm in evms:
        evm.fund(SENDER, 10**18)
    return evms


@pytest.fixture(params=["pyevm", "pyrevm"])
def evm(request: pytest.FixtureRequest) -> Evm:
    evm = make(request.param)
    evm.fund(SENDER, 10**18)
    return evm


SSTORE, SLOAD, TSTORE, TLOAD, MSTORE, POP = "55", "54", "5d", "5c", "52", "50"
SIGNATURE = Wallet((7).to_bytes(32, "big")).sign(DIGEST)
ECRECOVER = code(
    DIGEST, 0, MSTORE, SIGNATURE[64], 32, MSTORE, SIGNATURE[:32], 64, MSTORE, SIGNATURE[32:64], 96, MSTORE,
    32, 128, 128, 0, 0, 1, "5a", "f1", POP, 128, "51", 5, SSTORE,
)  # fmt: skip
CHILD = creation(bytes.fromhex("5f545f5500"))  # sstore(0, sload(0))
BLOCK_HASH = code("43", "03", "40")  # of so many blocks ago as lies on the stack
ENVIRONMENT = ["30", "32", "33", "34", "3d", "41", "42", "43", "45", "46", "47", "48", "5a"]  # ADDRESS .. GAS
QUERIES = ["31", "3b", "3f"]  # BALANCE, EXTCODESIZE, EXTCODEHASH
PEOPLE = [SENDER, STRANGER, COINBASE, b"\x01", NOBODY]
slots, values = st.integers(0, 3), st.integers(0, 2)
blocks = st.one_of(
    st.builds(lambda slot, value: code(value, slot, SSTORE), slots, values),
    st.builds(lambda slot: code("5f35", slot, SSTORE), slots),
    st.builds(lambda slot: code(slot, SLOAD, 0, MSTORE, 1, 32, 0, "a1"), slots),
    st.builds(lambda slot, value: code(value, slot, TSTORE), slots, values),
    st.builds(lambda slot: code(slot, TLOAD, slot, SSTORE), slots),
    st.builds(lambda count: code(*range(count), 40, 0, f"{0xA0 + count:02x}"), st.integers(0, 4)),
    st.builds(lambda opcode: code(opcode, 4, SSTORE), st.sampled_from(ENVIRONMENT)),
    st.builds(lambda where, opcode: code(where, opcode, 6, SSTORE),
              st.sampled_from(PEOPLE), st.sampled_from(QUERIES)),
    st.builds(lambda value, to: code(0, 0, 0, 0, value, to, "5a", "f1", 7, SSTORE), values,
              st.sampled_from([SENDER, STRANGER, NOBODY, COINBASE])),
    st.just(code(CHILD, 0, MSTORE, len(CHILD), 32 - len(CHILD), 0, "f0", POP)),
    st.builds(lambda salt: code(CHILD, 0, MSTORE, salt, len(CHILD), 32 - len(CHILD), 0, "f5", POP), values),
    st.just(code(64, 0, "20", 8, SSTORE)),
    st.just(code(32, 0, 64, "5e")),
    st.just(ECRECOVER),
    st.just(code("30", "31", 9, SSTORE)),
    st.builds(lambda ago: push(ago) + BLOCK_HASH + code(10, SSTORE), st.sampled_from([0, 1, 2, 3, 255, 256, 257])),
)  # fmt: skip
endings = st.sampled_from([code(32, 0, "f3"), code(32, 0, "f3"), code(32, 0, "fd"), code("fe"), code("00")])


@settings(max_examples=60, deadline=None)
@given(
    programs=st.lists(st.tuples(st.lists(blocks, max_size=8), endings), min_size=1, max_size=2),
    sends=st.lists(
        st.tuples(st.integers(0, 1), values, values, st.sampled_from([GAS_CAP, 60_000, 30_000])), max_size=5
    ),
)
def test_backends_agree_on_random_programs(
    programs: list[tuple[list[bytes], bytes]], sends: list[tuple[int, int, int, int]]
) -> None:
    left, right = pair()
    contracts = []
    for parts, ending in programs:
        deployed = [evm.deploy(SENDER, creation(b"".join(parts) + ending)) for evm in (left, right)]
        assert deployed[0] == deployed[1]
        contracts.append(deployed[0][0])
    for which, word, value_wei, gas_limit in sends:
        to = contracts[which % len(contracts)]
        data = word.to_bytes(32, "big")
        first, second = (evm.send(SENDER, to, data, value_wei, gas_limit) for evm in (left, right))
        assert first == second
        assert left.dump() == right.dump()


def test_backends_agree_on_everything_a_contract_can_ask() -> None:
    left, right = pair()
    asked = [code(opcode, slot, SSTORE) for slot, opcode in enumerate(ENVIRONMENT)]
    for slot, (who, opcode) in enumerate((who, opcode) for who in PEOPLE for opcode in QUERIES):
        asked.append(code(who, opcode, 100 + slot, SSTORE))
    program = creation(b"".join(asked))
    contracts = [evm.deploy(SENDER, program) for evm in (left, right)]
    assert contracts[0] == contracts[1]
    for value_wei in (0, 3):
        receipts = [evm.send(SENDER, contracts[0][0], b"\x01", value_wei) for evm in (left, right)]
        assert receipts[0] == receipts[1]
        assert receipts[0].success
    assert left.dump() == right.dump()


def test_a_contract_can_call_another_and_survive_its_failure() -> None:
    left, right = pair()
    seen = []
    for evm in (left, right):
        inner, _ = evm.deploy(SENDER, creation(code(9, 0, SSTORE, 1, 1, TSTORE, 5, 0, MSTORE, 32, 0, "fd")))
        calls = code(
            32, 0, 0, 0, 0, inner, "5a", "f1", 0, SSTORE, "3d", 1, SSTORE, 0, "51", 2, SSTORE, 1, TLOAD, 3, SSTORE
        )
        outer, _ = evm.deploy(SENDER, creation(calls))
        receipt = evm.send(SENDER, outer, b"")
        assert receipt.success
        storage = json.loads(evm.dump())["accounts"][outer.hex()]["storage"]
        assert {int(slot, 16): int(value, 16) for slot, value in storage.items()} == {1: 32, 2: 5}
        seen.append((receipt, evm.dump()))
    assert seen[0] == seen[1]


def test_gas_of_a_plain_transfer_and_of_the_calldata_floor(evm: Evm) -> None:
    assert evm.send(SENDER, STRANGER, b"", 5).gas_used == 21_000
    # EIP-7623: 10 gas a zero byte and 40 any other, where execution is cheaper than that.
    assert evm.send(SENDER, STRANGER, b"\x00\x01").gas_used == 21_000 + 10 + 40
    assert evm.balance_wei(STRANGER) == 5


def test_gas_of_storage_is_cold_again_in_every_transaction(evm: Evm) -> None:
    contract, _ = evm.deploy(SENDER, creation(code("5f35", 0, SSTORE)))
    # 21,000 + calldata + 7 for the code + EIP-2929: 22,100 set, 5,000 reset; clearing refunds 4,800, at most a fifth.
    base = 21_000 + 31 * 4 + 16 + 2 + 3 + 3
    assert evm.send(SENDER, contract, (1).to_bytes(32, "big")).gas_used == base + 22_100
    assert evm.send(SENDER, contract, (2).to_bytes(32, "big")).gas_used == base + 5_000
    assert evm.send(SENDER, contract, (2).to_bytes(32, "big")).gas_used == base + 2_200
    assert evm.send(SENDER, contract, (0).to_bytes(32, "big")).gas_used == base - 12 + 5_000 - 4_800


def test_failure_moves_the_nonce_alone(evm: Evm) -> None:
    contract, _ = evm.deploy(SENDER, creation(code(1, 0, SSTORE, 1, 2, TSTORE, 0xAB, 0, MSTORE, 32, 0, "fd")))
    before = json.loads(evm.dump())
    receipt = evm.send(SENDER, contract, b"", value_wei=7)
    after = json.loads(evm.dump())
    assert not receipt.success
    assert receipt.output == (0xAB).to_bytes(32, "big")
    assert receipt.logs == ()
    before["accounts"][SENDER.hex()]["nonce"] += 1
    before["block_number"] += 1
    assert after == before


def test_whoever_halts_without_revert_loses_all_gas(evm: Evm) -> None:
    invalid, _ = evm.deploy(SENDER, creation(code(1, 0, SSTORE, "fe")))
    endless, _ = evm.deploy(SENDER, creation(code("5b", 0, "56")))
    for contract in (invalid, endless):
        receipt = evm.send(SENDER, contract, b"", gas_limit=90_000)
        assert (receipt.success, receipt.gas_used, receipt.output) == (False, 90_000, b"")


def test_a_call_changes_nothing_and_raises_on_revert(evm: Evm) -> None:
    contract, _ = evm.deploy(SENDER, creation(code(1, 0, SSTORE, "33", 0, MSTORE, 32, 0, "f3")))
    reverting, _ = evm.deploy(SENDER, creation(code(0xAB, 0, MSTORE, 32, 0, "fd")))
    before = evm.dump()
    assert evm.call(contract, b"", STRANGER) == bytes(12) + STRANGER
    with pytest.raises(ExecutionReverted, match=r"ab$") as caught:
        evm.call(reverting, b"")
    assert caught.value.data == (0xAB).to_bytes(32, "big")
    assert evm.dump() == before


def test_one_block_a_transaction_and_time_only_forward(evm: Evm) -> None:
    start = evm.timestamp_s
    receipts = [evm.send(SENDER, STRANGER, b"") for _ in range(2)]
    evm.warp(start + 60)
    receipts.append(evm.send(SENDER, STRANGER, b""))
    assert [(receipt.block_number, receipt.timestamp_s) for receipt in receipts] == [
        (1, start),
        (2, start),
        (3, start + 60),
    ]
    assert evm.block_number == 3
    with pytest.raises(EvmError, match=f"cannot warp to {start}: it is {start + 60} already"):
        evm.warp(start)


@pytest.mark.parametrize("mined", [0, 1, 254, 255, 256, 1_000])
def test_block_hashes_of_the_last_256_blocks_are_known_on_both_backends(mined: int) -> None:
    left, right = pair()
    ages = [0, 1, 2, mined, mined + 1, 255, 256, 257]
    asked = b"".join(push(ago) + BLOCK_HASH + code(slot, SSTORE) for slot, ago in enumerate(ages))
    for evm in (left, right):
        contract, _ = evm.deploy(SENDER, creation(asked))
        evm.mine(mined)
        receipt = evm.send(SENDER, contract, b"")
        number = receipt.block_number
        assert number == mined + 2 == evm.block_number
        storage = json.loads(evm.dump())["accounts"][contract.hex()]["storage"]
        found = {int(slot, 16): int(value, 16) for slot, value in storage.items()}
        for slot, ago in enumerate(ages):
            known = 0 < ago <= min(256, number)
            assert found.get(slot, 0) == (int.from_bytes(block_hash(number - ago), "big") if known else 0)
    assert left.dump() == right.dump()


def test_empty_blocks_change_the_number_alone(evm: Evm) -> None:
    before = json.loads(evm.dump())
    evm.mine(7)
    after = json.loads(evm.dump())
    before["block_number"] += 7
    assert after == before


def test_snapshots_can_be_restored_again_and_again(evm: Evm) -> None:
    contract, _ = evm.deploy(SENDER, creation(code("5f35", 0, SSTORE)))
    evm.send(SENDER, contract, (1).to_bytes(32, "big"))
    snapshot, dump = evm.snapshot(), evm.dump()
    gas = []
    for _ in range(2):
        gas.append(evm.send(SENDER, contract, (2).to_bytes(32, "big")).gas_used)
        evm.warp(evm.timestamp_s + 5)
        evm.fund(STRANGER, 3)
        evm.restore(snapshot)
        assert evm.dump() == dump
    assert gas[0] == gas[1]


@pytest.mark.parametrize("names", [("pyevm", "pyrevm"), ("pyrevm", "pyevm")])
def test_either_backend_goes_on_from_a_dump_of_the_other(names: tuple[str, str]) -> None:
    writer, reader = (make(name) for name in names)
    writer.fund(SENDER, 10**18)
    contract, _ = writer.deploy(SENDER, creation(code("5f35", 0, SSTORE)))
    writer.send(SENDER, contract, (3).to_bytes(32, "big"))
    writer.warp(writer.timestamp_s + 9)
    reader.load(writer.dump())
    assert reader.dump() == writer.dump()
    assert (reader.timestamp_s, reader.chain_id) == (writer.timestamp_s, writer.chain_id)
    data = (0).to_bytes(32, "big")
    assert reader.send(SENDER, contract, data) == writer.send(SENDER, contract, data)
    assert reader.deploy(SENDER, creation(b"\x00")) == writer.deploy(SENDER, creation(b"\x00"))
    assert reader.dump() == writer.dump()


def test_accounts_in_which_nothing_is_left_are_not_dumped(evm: Evm) -> None:
    before = evm.dump()
    evm.fund(STRANGER, 0)
    assert evm.dump() == before


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format":"idml-evm","version":1}',
        b'{"format":"idml-evm","version":1,"accounts":{"zz":{}}}',
    ],
)
def test_what_is_no_dump_is_refused_and_changes_nothing(data: bytes) -> None:
    evm = PyEvm()
    before = evm.dump()
    with pytest.raises(EvmError, match="not a dump"):
        evm.load(data)
    assert evm.dump() == before


def test_a_dump_of_another_version_is_named() -> None:
    evm = PyEvm()
    with pytest.raises(EvmError, match="dump is idml-evm 2: this version reads idml-evm 1"):
        evm.load(evm.dump().replace(b'"version":1', b'"version":2'))


def test_invalid_transactions_are_refused_before_they_run(evm: Evm) -> None:
    before = evm.dump()
    with pytest.raises(EvmError, match="gas_limit is 20999: must be between 21000 and 16777216"):
        evm.send(SENDER, STRANGER, b"", gas_limit=20_999)
    with pytest.raises(EvmError, match="between 21040 and"):
        evm.send(SENDER, STRANGER, b"\x01", gas_limit=21_039)
    with pytest.raises(EvmError, match="gas_limit is 16777217"):
        evm.send(SENDER, STRANGER, b"", gas_limit=GAS_CAP + 1)
    with pytest.raises(EvmError, match=f"0x{STRANGER.hex()} has 0 wei: cannot send 1"):
        evm.send(STRANGER, SENDER, b"", value_wei=1)
    with pytest.raises(EvmError, match=f"has {INITCODE_LIMIT + 1} bytes"):
        evm.deploy(SENDER, bytes(INITCODE_LIMIT + 1))
    assert evm.dump() == before


def test_a_failing_constructor_raises_what_it_said(evm: Evm) -> None:
    with pytest.raises(ExecutionReverted) as caught:
        evm.deploy(SENDER, code(0xAB, 0, MSTORE, 32, 0, "fd"))
    assert caught.value.data == (0xAB).to_bytes(32, "big")


@pytest.mark.filterwarnings("ignore:SELFDESTRUCT")
def test_a_contract_that_is_created_and_destroyed_at_once_is_refused(evm: Evm) -> None:
    suicide = code(0, "ff")
    maker, _ = evm.deploy(SENDER, creation(code(suicide, 0, MSTORE, len(suicide), 32 - len(suicide), 0, "f0")))
    with pytest.raises(EvmError, match="created and destroyed at once: unsupported"):
        evm.send(SENDER, maker, b"")


@settings(deadline=None)
@given(nonce=st.integers(0, 2**64 - 2))
def test_contract_addresses_are_those_of_rlp(nonce: int) -> None:
    assert contract_address(SENDER, nonce) == keccak256(rlp.encode([SENDER, nonce]))[12:]


@pytest.mark.parametrize("nonce", [1, 3, 20])
@pytest.mark.parametrize("code", [b"\xef\x55", bytes.fromhex("600160005260206000f3")], ids=["uncreatable", "plain"])
def test_code_that_was_loaded_runs_whoever_could_have_created_it(evm: Evm, code: bytes, nonce: int) -> None:
    """Also what no transaction may create (EIP-3541), and the nonce of an account that created others stays."""
    contract = b"\x77" * 20
    evm.load(ChainState(31_337, 1, 0, {contract: Account(nonce=nonce, code=code)}).dump())
    if code.startswith(b"\xef"):
        with pytest.raises(ExecutionReverted):
            evm.call(contract, b"")
    else:
        assert evm.call(contract, b"") == (1).to_bytes(32, "big")
    state = json.loads(evm.dump())["accounts"][contract.hex()]
    assert (state["nonce"], state["code"]) == (nonce, code.hex())
