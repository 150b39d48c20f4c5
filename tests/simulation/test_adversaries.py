"""Adversaries: each does what its name says, and is honest in everything else."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from idml.adapters.base import Adapter, LocalTraining
from idml.adapters.gossip import Gossip
from idml.adapters.oppcl import OppCL
from idml.learning.arrays import FloatVector
from idml.learning.torch_engine import TorchEngine
from idml.protocol.messages import Report
from idml.protocol.roles import Adopt, Finalize, Judge, Later, ModelSent, ResultSent, Submit
from idml.simulation.adversaries import ADVERSARIES, Assignment, Ballot, Participant

DEEDS = ("act", "hear", "hand_over", "contribute", "blind_vote", "verdict", "asks_first", "comes_back")
HONEST_WORK = {
    *("label_flip", "label_flip_target", "label_flip_all", "backdoor", "sybil"),  # on poisoned data
    *("withhold", "swap", "no_show", "deny", "silent_learner"),
    *("always_yes", "always_no", "invert", "copy_votes", "collude_learner"),
}


def training() -> LocalTraining:
    engine = TorchEngine(lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)))
    generator = np.random.default_rng(5)
    images = generator.standard_normal((20, 1, 4, 4), dtype=np.float32)
    return LocalTraining(engine, images, generator.integers(0, 3, 20), 0.1, 8, key=(0, "test"))


def assignment(
    adapter: Adapter | None = None, passes: Callable[[FloatVector], bool] = lambda _result: True
) -> Assignment:
    engine = training().engine
    return Assignment(adapter or OppCL(), engine.initial(1), engine.initial(2), training(), passes)


def votes(role: Participant, learner: Participant | None = None, neighbor: Participant | None = None) -> list[bool]:
    """How it votes on good and on bad work, the first to vote."""
    blind = role.blind_vote(Ballot(learner or Participant(), neighbor or Participant()))
    return [role.verdict(good) if blind is None else blind for good in (True, False)]


@pytest.mark.parametrize("kind", ADVERSARIES)
def test_each_is_known_by_its_name_and_repeats_itself(kind: str) -> None:
    role = ADVERSARIES[kind]()
    assert role.kind == kind
    assert type(role).__doc__
    first, again = (role.contribute(assignment()) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert first.dtype == np.float32
    honest = np.allclose(first, Participant().contribute(assignment()), atol=1e-6)
    assert honest == (kind in HONEST_WORK or kind == "drift")  # drift: all of its step passes here
    # Somewhere it differs from an honest participant.
    assert any(getattr(type(role), deed) != getattr(Participant, deed) for deed in ("poison", *DEEDS))


def test_whatever_an_adversary_does_is_a_method_of_its_own_class() -> None:
    """Nobody needs to read flags: beside its name and what it does to its data, a class has methods alone."""
    for role in (Participant, *ADVERSARIES.values()):
        facts = {name for kind in role.__mro__[:-1] for name, value in vars(kind).items() if not callable(value)}
        assert {name for name in facts if not name.startswith("_")} <= {"kind", "poison"}, role
    assert set(DEEDS) == {name for kind in Participant.__mro__[:-1] for name in vars(kind) if name[0] != "_"} - {
        "kind",
        "poison",
    }


@pytest.mark.parametrize("adapter", [OppCL(), Gossip()])
def test_free_riders_return_what_came(adapter: Adapter) -> None:
    asked = assignment(adapter)
    assert np.array_equal(ADVERSARIES["free_rider"]().contribute(asked), asked.received)
    assert asked.training.trained_images == 0


@pytest.mark.parametrize("kind", ["random_weights", "collude_neighbor"])
def test_random_weights_have_nothing_of_the_model_but_its_spread(kind: str) -> None:
    received = np.random.default_rng(0).standard_normal(10_000, dtype=np.float32)
    asked = Assignment(OppCL(), received, received, training(), lambda _result: True)
    result = ADVERSARIES[kind]().contribute(asked)
    assert result.std() == pytest.approx(received.std(), rel=0.05)
    assert abs(np.corrcoef(result, received)[0, 1]) < 0.05


@pytest.mark.parametrize("adapter", [OppCL(), Gossip()])
def test_steps_are_turned_round_and_stretched(adapter: Adapter) -> None:
    asked = assignment(adapter)
    step = asked.honest() - asked.received
    for kind, factor in (("sign_flip", -1), ("scaling", 10)):
        result = ADVERSARIES[kind]().contribute(assignment(adapter))
        np.testing.assert_allclose(result, asked.received + factor * step, rtol=1e-5, atol=1e-6)


def test_noise_comes_on_top_of_honest_work() -> None:
    received = np.random.default_rng(0).standard_normal(10_000, dtype=np.float32)
    asked = Assignment(Gossip(), received, received, training(), lambda _result: True)
    noise = ADVERSARIES["noise"]().contribute(asked) - received
    assert noise.std() == pytest.approx(received.std() / 2, rel=0.05)
    assert abs(np.corrcoef(noise, received)[0, 1]) < 0.05


@pytest.mark.parametrize("passing", [1.0, 0.5, 0.125, 0.0])
def test_drift_goes_as_far_as_the_committee_it_rehearses_with_lets_it(passing: float) -> None:
    step = assignment().honest() - assignment().received

    def passes(result: FloatVector) -> bool:
        return bool(np.linalg.norm(result - assignment().received) <= passing * np.linalg.norm(step) * 1.001)

    result = ADVERSARIES["drift"]().contribute(assignment(passes=passes))
    np.testing.assert_allclose(result, assignment().received + np.float32(passing) * step, rtol=1e-5, atol=1e-6)


def test_votes() -> None:
    blind_yes = ("label_flip", "label_flip_target", "label_flip_all", "backdoor", "sybil", "always_yes", "copy_votes")
    for kind, role in ADVERSARIES.items():
        expected = [True, False]
        if kind in blind_yes:
            expected = [True, True]
        elif kind in ("always_no", "invert"):
            expected = [False, False] if kind == "always_no" else [False, True]
        assert votes(role()) == expected, kind


def test_who_copies_votes_joins_the_majority() -> None:
    role, judge = ADVERSARIES["copy_votes"](), Judge(b"m" * 32, b"r" * 32)
    assert role.act(judge, "validator") == Later(judge)
    assert role.act(Submit(Finalize()), "validator") == Submit(Finalize())
    for cast, expected in (((False,), False), ((True, False), True), ((False, True, False), False)):
        assert role.blind_vote(Ballot(Participant(), Participant(), cast)) is expected


def test_rings_vote_for_each_other_and_honestly_on_others() -> None:
    neighbor, learner = ADVERSARIES["collude_neighbor"](), ADVERSARIES["collude_learner"]()
    assert votes(neighbor, neighbor=neighbor) == [True, True]
    assert votes(neighbor, learner=neighbor) == [True, False]
    assert votes(learner, learner=learner) == [False, False]
    assert votes(learner, neighbor=learner) == [True, False]
    assert votes(neighbor, learner=learner, neighbor=learner) == [True, False]
    assert [ring.asks_first("learner") for ring in (neighbor, learner)] == [None, "collude_learner"]
    assert [ring.asks_first("neighbor") for ring in (neighbor, learner)] == ["collude_neighbor", None]


def test_who_does_not_mean_to_pay_merges_what_it_is_handed() -> None:
    handed = ResultSent(b"r" * 32, Report(b"e" * 32, b"N" * 20, b"r" * 32, b"n" * 32), b"signed")
    hasty = {kind for kind, role in ADVERSARIES.items() if role().hear(handed, "learner") == [Adopt(b"r" * 32)]}
    assert hasty == {"deny", "silent_learner", "collude_learner"}
    for role in ADVERSARIES.values():
        assert not role().hear(handed, "validator")
        assert not role().hear(ModelSent(b"m" * 32), "learner")


def test_who_comes_back() -> None:
    assert [kind for kind, role in ADVERSARIES.items() if role().comes_back()] == ["sybil"]


def test_what_is_handed_over() -> None:
    received, result = b"m" * 32, b"r" * 32
    handed = {kind: role().hand_over(received, result) for kind, role in ADVERSARIES.items()}
    assert handed.pop("withhold") is None
    assert handed.pop("swap") == received
    assert set(handed.values()) == {result}
