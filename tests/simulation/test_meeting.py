"""An encounter between any two participants ends, whatever they and their validators are up to."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from idml.simulation.adversaries.base import Participant
from idml.simulation.adversaries.registry import ADVERSARIES
from idml.simulation.context import EncounterContext
from idml.simulation.meeting import Meeting
from idml.simulation.simulator import Simulator
from idml.simulation.timing import ExchangeStage
from idml.simulation.totals import Stopped

from .test_workers import started

KINDS: dict[str, type[Participant]] = {
    "honest": Participant,
    **{name: type(ADVERSARIES.find(name)) for name in ADVERSARIES.built_in},
}
HOSTILE = ("always_no", "invert", "copy_votes", "collude_learner", "no_show")
DEVICES = 2 + len(HOSTILE)


@pytest.fixture
def context(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[EncounterContext]:
    """Devices that joined, and met once; rich enough for any number of encounters."""

    def stop(simulator: Simulator) -> None:
        if simulator._totals.encounters:
            raise Stopped

    preset = request.param
    changes = {"devices": DEVICES, "preset": preset, "tokens": 1_000_000, "stake": 500_000, "stake_target": 0}
    small = {"model": "linear", "images_per_device": 10, "validation_images": 5, "validators": 3}
    simulator: Simulator = started(tmp_path / preset, stop, **changes, **small)
    with pytest.raises(Stopped):
        simulator.run()
    assert simulator._context is not None
    yield simulator._context
    simulator._store.close()


def play_to_the_end(
    context: EncounterContext, learner: str, neighbor: str, hostile: bool, broken_off: ExchangeStage | None
) -> Meeting:
    """One encounter between the first two devices, among validators of one sort; nothing of it may be left."""
    devices = list(context.cast.devices)
    kinds = [learner, neighbor, *(HOSTILE if hostile else ["honest"] * len(HOSTILE))]
    for device, kind in zip(devices, kinds, strict=True):
        device.participant = KINDS[kind]()
    judges = [device.account for device in devices[2 : 2 + context.cast.rules.votes]]
    meeting = Meeting(context, devices[0], devices[1], () if context.cast.rules.committee_size else judges, broken_off)
    meeting.play()
    assert meeting.encounter is not None
    devices[0].encounters += 1
    for _ in range(20):
        if not meeting.is_open:
            break
        context.ledger.warp(max(context.ledger.now_s, meeting.wake_s))
        meeting.wake()
    assert not meeting.is_open, meeting.reason
    assert meeting.outcome is not None
    assert sum(wei for earned in meeting.outcome.earned_wei.values() for wei in earned.values()) <= 0
    return meeting


def check_nothing_is_left(context: EncounterContext) -> None:
    """No encounter open, nothing locked, every token accounted for, and all as the ledger says."""
    accounts = context.accounts
    assert not accounts.mirror.encounters
    for device, wallet in enumerate(accounts.wallets):
        account = accounts.ledger.account(wallet.address)
        assert account == accounts.mirror.account(wallet.address)
        assert account.stake == accounts.stake_wei(device)
        assert account.locked == 0
    tokens = accounts.tokens()
    assert tokens["supply"] == tokens["accounts"]


@pytest.mark.slow
@pytest.mark.parametrize("context", ["safe", "paper"], indirect=True)
@pytest.mark.parametrize("hostile", [pytest.param(False, marks=pytest.mark.slow), True])
def test_every_pair_of_kinds_comes_to_an_end(context: EncounterContext, hostile: bool) -> None:
    outcomes = [play_to_the_end(context, *pair, hostile, None).outcome for pair in product(KINDS, KINDS)]
    check_nothing_is_left(context)
    assert {outcome and outcome.status for outcome in outcomes} == {"settled", "incomplete"}


@pytest.mark.parametrize("context", ["safe", "paper"], indirect=True)
@pytest.mark.parametrize("stage", ExchangeStage)
def test_every_kind_comes_to_an_end_where_the_contact_breaks_off(
    context: EncounterContext, stage: ExchangeStage
) -> None:
    for kind in KINDS:
        for pair in ((kind, "honest"), ("honest", kind), (kind, "no_show"), ("silent_learner", kind)):
            play_to_the_end(context, *pair, True, stage)
    check_nothing_is_left(context)


@pytest.mark.parametrize("context", ["safe", "paper"], indirect=True)
def test_what_both_parties_let_go_of_is_ended_by_nobodys_device(context: EncounterContext) -> None:
    meeting = play_to_the_end(context, "silent_learner", "no_show", False, None)
    assert [(posted.sender, posted.result.step) for posted in meeting.posted] == [(0, "open"), (None, "finalize")]
    assert meeting.outcome is not None
    assert meeting.outcome.status == "incomplete"
