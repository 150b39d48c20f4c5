"""Adversaries: each does what its name says, and is honest in everything else."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from idml.adapters.base import Adapter, LocalTraining
from idml.adapters.gossip import Gossip
from idml.adapters.means import Assignment
from idml.adapters.oppcl import OppCL
from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.data.poisons import Poison, Relabel
from idml.learning.data.source import DataSource
from idml.learning.errors import LearningError
from idml.learning.torch_engine import TorchEngine
from idml.protocol.messages import Report
from idml.protocol.roles import Action, Adopt, Finalize, Judge, Later, Message, ModelSent, Part, ResultSent, Submit
from idml.registry import PluginError
from idml.simulation.adversaries.base import Ballot, Participant
from idml.simulation.adversaries.checker import check_adversary
from idml.simulation.adversaries.registry import ADVERSARIES

DEEDS = ("act", "hear", "hand_over", "contribute", "blind_vote", "verdict", "asks_first", "comes_back")
ROLES = {name: ADVERSARIES.find(name) for name in ADVERSARIES.built_in}
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


@pytest.mark.parametrize("kind", ADVERSARIES.built_in)
def test_each_is_known_by_its_name_and_repeats_itself(kind: str) -> None:
    role = ADVERSARIES.find(kind)
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
    for role in (Participant, *map(type, ROLES.values())):
        facts = {name for kind in role.__mro__[:-1] for name, value in vars(kind).items() if not callable(value)}
        assert {name for name in facts if not name.startswith("_")} <= {"kind", "poison"}, role
    assert set(DEEDS) == {name for kind in Participant.__mro__[:-1] for name in vars(kind) if name[0] != "_"} - {
        "kind",
        "poison",
    }


@pytest.mark.parametrize("adapter", [OppCL(), Gossip()])
def test_free_riders_return_what_came(adapter: Adapter) -> None:
    asked = assignment(adapter)
    assert np.array_equal(ROLES["free_rider"].contribute(asked), asked.received)
    assert asked.training.trained_images == 0


@pytest.mark.parametrize("kind", ["random_weights", "collude_neighbor"])
def test_random_weights_have_nothing_of_the_model_but_its_spread(kind: str) -> None:
    received = np.random.default_rng(0).standard_normal(10_000, dtype=np.float32)
    asked = Assignment(OppCL(), received, received, training(), lambda _result: True)
    result = ROLES[kind].contribute(asked)
    assert result.std() == pytest.approx(received.std(), rel=0.05)
    assert abs(np.corrcoef(result, received)[0, 1]) < 0.05


@pytest.mark.parametrize("adapter", [OppCL(), Gossip()])
def test_steps_are_turned_round_and_stretched(adapter: Adapter) -> None:
    asked = assignment(adapter)
    step = asked.honest() - asked.received
    for kind, factor in (("sign_flip", -1), ("scaling", 10)):
        result = ROLES[kind].contribute(assignment(adapter))
        np.testing.assert_allclose(result, asked.received + factor * step, rtol=1e-5, atol=1e-6)


def test_noise_comes_on_top_of_honest_work() -> None:
    received = np.random.default_rng(0).standard_normal(10_000, dtype=np.float32)
    asked = Assignment(Gossip(), received, received, training(), lambda _result: True)
    noise = ROLES["noise"].contribute(asked) - received
    assert noise.std() == pytest.approx(received.std() / 2, rel=0.05)
    assert abs(np.corrcoef(noise, received)[0, 1]) < 0.05


@pytest.mark.parametrize("passing", [1.0, 0.5, 0.125, 0.0])
def test_drift_goes_as_far_as_the_committee_it_rehearses_with_lets_it(passing: float) -> None:
    step = assignment().honest() - assignment().received

    def passes(result: FloatVector) -> bool:
        return bool(np.linalg.norm(result - assignment().received) <= passing * np.linalg.norm(step) * 1.001)

    result = ROLES["drift"].contribute(assignment(passes=passes))
    np.testing.assert_allclose(result, assignment().received + np.float32(passing) * step, rtol=1e-5, atol=1e-6)


def test_votes() -> None:
    blind_yes = ("label_flip", "label_flip_target", "label_flip_all", "backdoor", "sybil", "always_yes", "copy_votes")
    for kind, role in ROLES.items():
        expected = [True, False]
        if kind in blind_yes:
            expected = [True, True]
        elif kind in ("always_no", "invert"):
            expected = [False, False] if kind == "always_no" else [False, True]
        assert votes(role) == expected, kind


def test_who_copies_votes_joins_the_majority() -> None:
    role, judge = ROLES["copy_votes"], Judge(b"m" * 32, b"r" * 32)
    assert role.act(judge, "validator") == Later(judge)
    assert role.act(Submit(Finalize()), "validator") == Submit(Finalize())
    for cast, expected in (((False,), False), ((True, False), True), ((False, True, False), False)):
        assert role.blind_vote(Ballot(Participant(), Participant(), cast)) is expected


def test_rings_vote_for_each_other_and_honestly_on_others() -> None:
    neighbor, learner = ROLES["collude_neighbor"], ROLES["collude_learner"]
    assert votes(neighbor, neighbor=neighbor) == [True, True]
    assert votes(neighbor, learner=neighbor) == [True, False]
    assert votes(learner, learner=learner) == [False, False]
    assert votes(learner, neighbor=learner) == [True, False]
    assert votes(neighbor, learner=learner, neighbor=learner) == [True, False]
    assert [ring.asks_first("learner") for ring in (neighbor, learner)] == [None, "collude_learner"]
    assert [ring.asks_first("neighbor") for ring in (neighbor, learner)] == ["collude_neighbor", None]


def test_who_does_not_mean_to_pay_merges_what_it_is_handed() -> None:
    handed = ResultSent(b"r" * 32, Report(b"e" * 32, b"N" * 20, b"r" * 32, b"n" * 32), b"signed")
    hasty = {kind for kind, role in ROLES.items() if role.hear(handed, "learner") == [Adopt(b"r" * 32)]}
    assert hasty == {"deny", "silent_learner", "collude_learner"}
    for role in ROLES.values():
        assert not role.hear(handed, "validator")
        assert not role.hear(ModelSent(b"m" * 32), "learner")


def test_who_comes_back() -> None:
    assert [kind for kind, role in ROLES.items() if role.comes_back()] == ["sybil"]


def test_what_is_handed_over() -> None:
    received, result = b"m" * 32, b"r" * 32
    handed = {kind: role.hand_over(received, result) for kind, role in ROLES.items()}
    assert handed.pop("withhold") is None
    assert handed.pop("swap") == received
    assert set(handed.values()) == {result}


class Own(Participant):
    """Does half of the work, and votes yes."""

    kind = "own"

    def contribute(self, assignment: Assignment) -> FloatVector:
        return (assignment.received + assignment.honest()) / np.float32(2)

    def blind_vote(self, ballot: Ballot) -> bool | None:
        return True


class Chatty(Own):
    """Remembers for whom it worked, which other processes do not hear of."""

    def __init__(self) -> None:
        self.received: list[FloatVector] = []

    def contribute(self, assignment: Assignment) -> FloatVector:
        self.received.append(assignment.received)
        return super().contribute(assignment)


class Moody(Own):
    """Draws from what others draw from."""

    def contribute(self, assignment: Assignment) -> FloatVector:
        return np.random.default_rng().standard_normal(assignment.received.size, dtype=np.float32)


class Careless(Own):
    """Works on the learner's own model."""

    def contribute(self, assignment: Assignment) -> FloatVector:
        result = assignment.received
        result += 1
        return result


class Coarse(Own):
    """Hands over doubles."""

    def contribute(self, assignment: Assignment) -> FloatVector:
        return super().contribute(assignment).astype(np.float64)


class Torn(Own):
    """Hands over a list."""

    def contribute(self, assignment: Assignment) -> FloatVector:
        return [1.0, 2.0]  # type: ignore[return-value]


class Fails(Own):
    """Counts votes where there are none."""

    def blind_vote(self, ballot: Ballot) -> bool | None:
        return sum(ballot.cast) / len(ballot.cast) > 0.5


class Vague(Own):
    """Votes by a number."""

    def verdict(self, honest: bool) -> bool:
        return 0.5  # type: ignore[return-value]


class Mute(Own):
    """Forgets that an action is to be returned."""

    def act(self, action: Action, part: Part) -> Action | None:
        return True  # type: ignore[return-value]


class Deaf(Own):
    """Returns nothing where a list is asked for."""

    def hear(self, message: Message, part: Part) -> list[Action]:
        return None  # type: ignore[return-value]


class Forger(Own):
    """Hands over what nobody has."""

    def hand_over(self, received: bytes, result: bytes) -> bytes | None:
        return b"f" * 32


class Lost:
    """A poison that knows no data set."""

    share = 1.0

    def apply(self, images: FloatImages, labels: Labels, source: DataSource) -> tuple[FloatImages, Labels]:
        raise LearningError(f"nothing is known of {source.name}")


class Spill(Lost):
    """A poison that changes what it is shown."""

    def apply(self, images: FloatImages, labels: Labels, source: DataSource) -> tuple[FloatImages, Labels]:
        labels[:] = 0
        return images, labels


class Beyond(Lost):
    """A poison with labels of no class."""

    def apply(self, images: FloatImages, labels: Labels, source: DataSource) -> tuple[FloatImages, Labels]:
        return images, labels + source.classes


class Fickle(Lost):
    """A poison that draws at random."""

    def apply(self, images: FloatImages, labels: Labels, source: DataSource) -> tuple[FloatImages, Labels]:
        return images, np.random.default_rng().permutation(labels)


class Short(Lost):
    """A poison that leaves images out."""

    def apply(self, images: FloatImages, labels: Labels, source: DataSource) -> tuple[FloatImages, Labels]:
        return images[1:], labels


def own(**attributes: object) -> Participant:
    """An adversary of one's own with other attributes."""
    adversary = Own()
    for name, value in attributes.items():
        setattr(adversary, name, value)
    return adversary


@pytest.mark.parametrize("kind", ADVERSARIES.built_in)
def test_the_adversaries_that_ship_pass_the_check(kind: str) -> None:
    check_adversary(ADVERSARIES.find(kind))


@pytest.mark.parametrize("poison", [None, Relabel("all")])
def test_an_adversary_of_ones_own_passes_the_check(poison: Poison | None) -> None:
    check_adversary(own(poison=poison))


@pytest.mark.parametrize(
    ("adversary", "message"),
    [
        (own(kind="Own"), "kind is 'Own': set a class attribute kind to a short lower-case string"),
        (own(kind="honest"), "kind is 'honest': that is what honest devices are"),
        (own(kind="sybil"), "kind is 'sybil': there is such an adversary, choose another kind"),
        (own(poison=Relabel("all", 0)), "poison has share 0: set a number above 0, at most 1"),
        (own(poison=Lost()), "^nothing is known of digits$"),
        (own(poison=Spill()), r"apply\(\) changed one of its arguments: work on a copy"),
        (own(poison=Beyond()), r"poison.apply\(\) returned labels in 10..19: "),
        (own(poison=Fickle()), r"poison.apply\(\) gave two results for equal arguments"),
        (own(poison=Short()), r"poison.apply\(\) returned other images: return float32 of \(40, 1, 8, 8\)"),
        (own(comes_back=lambda: True), "Own cannot be sent to other processes"),
        (Chatty(), "Chatty keeps something from one call to the next"),
        (Moody(), r"contribute\(\) gave two results for equal assignments"),
        (Careless(), r"contribute\(\) changed one of its arguments"),
        (Coarse(), r"contribute\(\) returned float64 of shape \(650,\): return float32 of \(650,\)"),
        (Torn(), r"contribute\(\) returned list: return a numpy array"),
        (Fails(), r"blind_vote\(\) raised ZeroDivisionError"),
        (Vague(), r"verdict\(\) returned 0.5: return True or False"),
        (Mute(), r"act\(\) returned True: return an action or None"),
        (Deaf(), r"hear\(\) returned None: return a list of actions"),
        (Forger(), r"hand_over\(\) returned b'f.*: return one of both or None"),
    ],
)
def test_the_check_says_what_is_wrong_with_an_adversary(adversary: Participant, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        check_adversary(adversary)


class Harmless(Participant):
    """Does nothing of its own."""

    kind = "harmless"


def test_an_adversary_that_is_honest_in_all_gets_a_warning() -> None:
    with pytest.warns(UserWarning, match="Harmless overrides nothing: it is honest"):
        check_adversary(Harmless())
