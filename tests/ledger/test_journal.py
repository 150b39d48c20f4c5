"""Orders are written down before they are sent, and none is sent twice because nobody could tell what became of it."""

import fcntl
import json
import logging
import pwd
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idml.ledger.chain.fees import GWEI, FeePolicy, Fees
from idml.ledger.chain.journal import Book, OrderEntry, OrderJournal
from idml.ledger.chain.node import Node
from idml.ledger.chain.rpc import pay
from idml.ledger.chain.sender import Sending, ensure_new
from idml.ledger.errors import JournalError, LedgerError, SentBeforeError, TransactionStuckError
from idml.ledger.wallet import Wallet

from ..conftest import until
from .test_rivals import GONE, foreign
from .test_sender import CHAIN, RICH, TARGET, balance, gift, in_background, pool, sender_for

ENTRY = OrderEntry.begin(b"\x01" * 32, 7, b"\x02raw")


@pytest.fixture
def journal(tmp_path: Path) -> OrderJournal:
    return OrderJournal(tmp_path / "state" / "journal")


def file_of(journal: OrderJournal) -> Path:
    return journal.directory / f"{CHAIN}-{RICH.address_hex}.json"


def written(journal: OrderJournal) -> list[OrderEntry]:
    with journal.open(CHAIN, RICH.address) as book:
        return list(book.entries.values())


def test_the_users_journal_is_where_the_standard_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    for variables, place in (
        ({}, "/home/somebody/.local/state/idml/chain"),
        ({"XDG_STATE_HOME": "/state"}, "/state/idml/chain"),
        ({"XDG_STATE_HOME": "not/absolute"}, "/home/somebody/.local/state/idml/chain"),
        ({"IDML_JOURNAL": "here", "XDG_STATE_HOME": "/state"}, "here"),
    ):
        assert OrderJournal.of_user(variables).directory == Path(place)


def test_who_has_no_home_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_uid: int) -> None:
        raise KeyError("no such user")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(JournalError, match=r"^there is no home folder .*: name a folder by --journal or \$IDML_J"):
        OrderJournal.of_user({})


@pytest.mark.parametrize("name", ["IDML_JOURNAL", "XDG_STATE_HOME"])
def test_a_place_that_cannot_be_used_is_told_with_another_way(name: str) -> None:
    with pytest.raises(JournalError, match=r"File name too long; .* by --journal or \$IDML_JOURNAL"):
        OrderJournal.of_user({name: "/" + "n" * 300})


def test_orders_come_back_as_they_were_written(journal: OrderJournal) -> None:
    other = replace(OrderEntry.begin(b"\x03" * 32, 8, b"\x02one"), versions=(b"\x02one", b"\x02two"))
    with journal.open(CHAIN, RICH.address) as book:
        book.write(ENTRY)
        book.write(other)
        assert book.at(8) == [other]
    assert written(journal) == [ENTRY, other]
    assert file_of(journal).stat().st_mode & 0o777 == 0o600
    assert journal.directory.stat().st_mode & 0o777 == 0o700
    with journal.open(CHAIN, RICH.address) as book:
        book.strike(ENTRY)
        book.strike(ENTRY)
    assert written(journal) == [other]
    with journal.open(CHAIN + 1, RICH.address) as book:
        assert book.entries == {}, "another chain, another file"
    kept_nowhere = Book()
    kept_nowhere.write(ENTRY)
    assert kept_nowhere.at(7) == [ENTRY]


def test_where_files_cannot_be_locked_orders_are_written_down_too(
    journal: OrderJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows
    with journal.open(CHAIN, RICH.address) as book:
        book.write(ENTRY)
    assert written(journal) == [ENTRY]


DAMAGES = ["", "[", "{}", "[1]", "[[]]", "[" * 200_000, '[{"id": "x"}]', "\udcff"]
FIELDS: dict[str, object] = {"versions": [], "order": "0x01", "nonce": "7", "since_s": None}


def test_what_cannot_be_written_down_is_not_sent(anvil: Callable[..., Any], journal: OrderJournal) -> None:
    """Whatever is in the way, it is told in one line that says what to do."""
    process = anvil()
    node, sending = Node(process.url), Sending(poll_s=0.02, journal=journal)
    path = file_of(journal)

    def refused(words: str) -> None:
        with pytest.raises(JournalError, match=words) as caught:
            pay(node, RICH, TARGET, 1, sending)
        told = str(caught.value)
        assert "\n" not in told
        assert told.endswith("; nothing was sent")
        assert caught.value.sent == ()

    journal.directory.parent.touch()
    refused("cannot be used: .*; name another folder by --journal")
    journal.directory.parent.unlink()
    path.mkdir(parents=True)
    refused(": Is a directory; .* --journal")
    path.rmdir()
    path.with_suffix(".new").mkdir()
    refused("cannot be written: Is a directory; .* --journal")
    path.with_suffix(".new").rmdir()

    with journal.open(CHAIN, RICH.address) as book:
        book.write(ENTRY)
    (entry,) = json.loads(path.read_text())
    damaged = [json.dumps([{**entry, name: value}]) for name, value in FIELDS.items()]
    for content in (*DAMAGES, *damaged):
        path.write_bytes(content.encode(errors="surrogateescape"))
        refused("is damaged: it says which transactions may have been sent. Look at it, then move it away")
    path.unlink()

    with open(path.with_suffix(".lock"), "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        sending = replace(sending, journal=OrderJournal(journal.directory, patience_s=0.1))
        refused("is locked by another process that sends from this account: wait for it, or stop it")
    assert balance(process) == 0
    assert int(process.rpc("eth_getTransactionCount", RICH.address_hex, "pending"), 16) == 0
    assert pay(node, RICH, TARGET, 1, sending).success


class Lost:
    """A payment of 1 wei of which nobody can tell what became, on a chain that mines when it is told to."""

    def __init__(
        self, process: Any, proxy: Callable[..., Any], journal: OrderJournal, *, arrives: bool = True, command: str = ""
    ) -> None:
        self.process, self.between, self.journal = process, proxy(process.url), journal
        self.sending = Sending(poll_s=0.02, give_up_after_s=0.3, journal=journal, gas_limit=30_000, command=command)
        self.between.rule = lambda method, _params, ask: (
            ask() if method != "eth_sendRawTransaction" else ask() and None if arrives else None
        )
        with pytest.raises(LedgerError, match="may have been sent: the same command says what became of it") as caught:
            self.pay(patience_s=0.1)
        (entry,) = written(journal)
        assert list(caught.value.sent) == entry.hashes
        self.between.rule = lambda _method, _params, ask: ask()

    def pay(self, wei: int = 1, *, patience_s: float = 20, again: bool = False) -> bool:
        node = Node(self.between.url, patience_s=patience_s)
        return pay(node, RICH, TARGET, wei, replace(self.sending, again=again)).success

    def refused(self, words: str) -> None:
        with pytest.raises(
            SentBeforeError,
            match=f"^the same was asked for before: .*{words}.*; to send another, add --again; nothing was sent$",
        ):
            self.pay()


def test_an_order_that_was_carried_out_is_told_until_another_is_wanted(
    anvil: Callable[..., Any], proxy: Callable[..., Any], journal: OrderJournal
) -> None:
    """However often it is repeated, so that no loop that tries until it succeeds pays twice."""
    process = anvil("--no-mining")
    lost = Lost(process, proxy, journal)
    lost.refused("still waits to be mined")
    process.rpc("evm_setAutomine", True)
    process.rpc("evm_mine")
    for _ in range(2):
        lost.refused("is in the chain, which could not be told then")
    assert lost.pay(2), "another order"
    assert balance(process) == 3
    assert lost.pay(again=True)
    assert balance(process) == 4
    assert written(journal) == []
    assert lost.pay(), "it was told"


def test_an_order_that_never_arrived_is_told_and_given_anew(
    anvil: Callable[..., Any], proxy: Callable[..., Any], journal: OrderJournal, caplog: pytest.LogCaptureFixture
) -> None:
    """What takes its nonce makes sure that it cannot be any more, and then it is forgotten."""
    process = anvil()
    lost = Lost(process, proxy, journal, arrives=False)
    (entry,) = written(journal)
    for _ in range(2):
        lost.refused(f"order {entry.id} of 2.* is unknown to the node, and its nonce is free")
    assert lost.pay(again=True)
    assert written(journal) == [entry], "another order took its nonce, but not everybody need know that"
    with caplog.at_level(logging.INFO, "idml"):
        assert lost.pay()
    assert f"order {entry.id} of" in caplog.text
    assert "was not carried out, and cannot be any more" in caplog.text
    assert balance(process) == 2
    assert written(journal) == []


def test_a_command_is_not_begun_anew_while_a_part_of_it_is_open(
    anvil: Callable[..., Any], proxy: Callable[..., Any], journal: OrderJournal
) -> None:
    """Whatever became of the part: the others may have been done. Other commands go on."""
    process = anvil()
    lost = Lost(process, proxy, journal, arrives=False, command="pay everybody")
    node, sending = Node(process.url), lost.sending
    others = [Wallet.from_seed(1, 1), RICH]
    fates = ["is unknown to the node, and its nonce is free", "was not carried out, and cannot be any more"]
    for words in fates:
        with pytest.raises(SentBeforeError, match=f"{words}.*; to send another, add --again; nothing was sent$"):
            ensure_new(node, others, sending)
        ensure_new(node, others, replace(sending, journal=None))
        assert len(written(journal)) == 1
        if words == fates[0]:
            ensure_new(node, others, replace(sending, again=True))
            foreign(process, 0)
    ensure_new(node, others, replace(sending, again=True))
    assert written(journal) == []


def test_a_nonce_that_is_used_by_nobody_knows_whom_is_told(
    anvil: Callable[..., Any], proxy: Callable[..., Any], journal: OrderJournal
) -> None:
    process = anvil()
    lost = Lost(process, proxy, journal, arrives=False)
    foreign(process, 0)
    lost.between.rule = lambda method, params, ask: (
        GONE if method == "eth_getTransactionCount" and params[1].startswith("0x") else ask()
    )
    lost.refused("may be in the chain: its nonce is used, and the node does not tell by which transaction")
    assert lost.pay(again=True)
    assert len(written(journal)) == 1


def test_an_order_that_is_known_by_its_nonce_alone_was_carried_out(
    anvil: Callable[..., Any], proxy: Callable[..., Any], journal: OrderJournal
) -> None:
    """A node that does not look transactions up by their hash still has them in its blocks, however long ago."""
    process = anvil()
    lost = Lost(process, proxy, journal)
    for nonce in range(1, 12):
        foreign(process, nonce)
    lost.between.rule = lambda method, _params, ask: (
        b'{"jsonrpc":"2.0","id":0,"result":null}' if method == "eth_getTransactionByHash" else ask()
    )
    lost.refused("is in the chain, which could not be told then")


def test_a_gap_that_an_order_left_is_filled_with_that_order(anvil: Callable[..., Any], journal: OrderJournal) -> None:
    process = anvil("--no-mining")
    given_up = in_background(sender_for(process.url, give_up_after_s=1, journal=journal), gift(1))
    until(lambda: 0 in pool(process))
    waiting = in_background(sender_for(process.url, journal=journal), gift(10))
    until(lambda: 1 in pool(process))
    with pytest.raises(TransactionStuckError):
        given_up.result(10)
    process.rpc("anvil_dropAllTransactions")
    until(lambda: len(pool(process)) == 2)
    process.rpc("evm_mine")
    assert waiting.result(10).success
    assert balance(process) == 11


def test_every_version_is_written_down_before_it_is_sent(
    anvil: Callable[..., Any], journal: OrderJournal, caplog: pytest.LogCaptureFixture
) -> None:
    """Where that fails, no more is offered; and an order that is done is done, even if it cannot be struck out."""
    process = anvil("--no-mining")
    sending = in_background(sender_for(process.url, journal=journal), gift())
    first = until(lambda: pool(process))[0]["hash"]
    second = until(lambda: (now := pool(process)[0]["hash"]) != first and now)
    (entry,) = written(journal)
    assert [("0x" + version.hex()) for version in entry.hashes][:2] == [first, second]
    journal.directory.rename(journal.directory.with_name("away"))
    journal.directory.touch()
    until(lambda: "does not offer more" in caplog.text)
    last = pool(process)[0]["hash"]
    process.rpc("evm_mine")
    assert sending.result(10).success
    assert process.rpc("eth_getTransactionReceipt", last)["status"] == "0x1"
    assert "an order that is done stays written down" in caplog.text


def test_a_command_that_is_stopped_says_what_it_had_sent(
    anvil: Callable[..., Any], journal: OrderJournal, caplog: pytest.LogCaptureFixture
) -> None:
    process = anvil("--no-mining")

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    sender = sender_for(process.url, journal=journal, stuck_after_s=60)
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            sender.send(gift())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    waiting = pool(process)[0]["hash"]
    assert f"transaction {waiting} (nonce 0 of {RICH.address_hex}" in caplog.text
    assert "may have been sent: the same command says what became of it" in caplog.text


@pytest.mark.parametrize("fees", [Fees(10 * GWEI, GWEI), Fees(GWEI, GWEI), Fees(5, 0), Fees(0, 0)])
def test_marked_fees_differ_and_stay_within_what_is_paid(fees: Fees) -> None:
    policy = FeePolicy(spread_wei=1_000)
    marked = [policy.mark(fees) for _ in range(200)]
    assert all(each.max_wei == fees.max_wei for each in marked)
    assert all(0 <= each.tip_wei <= fees.max_wei and abs(each.tip_wei - fees.tip_wei) < 1_000 for each in marked)
    assert len(set(marked)) > 100 or fees.max_wei < 1_000
    assert FeePolicy(spread_wei=1).mark(fees) == fees
