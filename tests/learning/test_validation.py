"""Rules of acceptance: each harm is what its name says, limits are exact, and counts and logits agree."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from idml.learning.errors import LearningError
from idml.learning.judging.checker import check_rule
from idml.learning.judging.evidence import View, label_shares
from idml.learning.judging.registry import RULES
from idml.learning.judging.rules import Balanced, Loss, McNemar, Paper, at_most
from idml.learning.judging.validation import CountRule, Finding, Rule, examine
from idml.learning.torch_engine import TorchEngine
from idml.registry import PluginError

CLASSES = 4
SHIPPED = ("paper", "loss", "f1", "precision", "recall", "balanced", "mcnemar")


@st.composite
def views(draw: st.DrawFn) -> tuple[View, View]:
    """Two models on the same images; some logits are no numbers."""
    images = draw(st.integers(1, 30))
    labels = draw(hnp.arrays(np.int64, images, elements=st.integers(0, CLASSES - 1)))
    number = st.floats(-50, 50, width=32) | st.sampled_from([math.nan, math.inf, -math.inf])
    logits = [draw(hnp.arrays(np.float32, (images, CLASSES), elements=number)) for _ in range(2)]
    return View(logits[0], labels), View(logits[1], labels)


def view(predictions: list[int], labels: list[int]) -> View:
    """A model that is sure of its predictions."""
    logits = np.full((len(labels), CLASSES), -3, np.float32)
    logits[np.arange(len(labels)), predictions] = 3
    return View(logits, np.array(labels))


@given(st.integers(1, 10**6), st.integers(0, 10_000), st.data())
def test_accuracy_may_fall_by_the_tolerance_and_not_more(images: int, tolerance_bps: int, data: st.DataObject) -> None:
    old, new = (data.draw(st.integers(0, images)) for _ in range(2))
    accepted = Paper().accepts(Paper().harm_of_counts(old, new, images), tolerance_bps)
    assert accepted == (Fraction(new - old, images) >= -Fraction(tolerance_bps, 10_000))
    assert accepted or new < old


@given(st.integers(1, 65_535), st.data())
def test_one_image_more_than_the_tolerance_is_rejected(images: int, data: st.DataObject) -> None:
    """Where rounding would do harm: the fall that meets the tolerance exactly, or misses it by the least there is."""
    tolerance_bps = data.draw(st.integers(0, 10_000))
    most = tolerance_bps * images // 10_000
    assert Paper().accepts(Paper().harm_of_counts(most, 0, images), tolerance_bps)
    if most < images:
        assert not Paper().accepts(Paper().harm_of_counts(most + 1, 0, images), tolerance_bps)


@pytest.mark.parametrize("arguments", [(0, 0, 0), (-1, 0, 10), (0, 11, 10)])
def test_impossible_counts_are_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(LearningError, match="are no counts of correct ones"):
        Paper().harm_of_counts(*arguments)


@pytest.mark.parametrize("tolerance_bps", [-1, 10_001])
def test_impossible_tolerances_are_refused(tolerance_bps: int) -> None:
    with pytest.raises(LearningError, match="must lie in"):
        Paper().accepts(0.0, tolerance_bps)


@given(views())
def test_no_rule_finds_harm_in_an_equal_model_and_each_gives_a_number(pair: tuple[View, View]) -> None:
    before, after = pair
    for name in SHIPPED:
        rule = RULES.find(name)
        assert rule.accepts(rule.harm(before, before, None), 0)
        assert not math.isnan(rule.harm(before, after, None))
        assert rule.harm(before, after, None) == rule.harm(before, after, None)


@pytest.mark.slow
@given(views())
def test_scores_by_class_are_those_of_scikit_learn(pair: tuple[View, View]) -> None:
    before, after = pair
    present = np.unique(before.labels)
    for name, score in (
        ("f1", metrics.f1_score),
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("balanced", metrics.recall_score),
    ):
        old, new = (
            score(each.labels, each.predictions, labels=present, average="macro", zero_division=0) for each in pair
        )
        assert RULES.find(name).harm(before, after, None) == pytest.approx(old - new, abs=1e-12)


@pytest.mark.slow
@given(views())
def test_losses_are_those_of_torch_and_what_is_no_number_is_as_bad_as_can_be(pair: tuple[View, View]) -> None:
    (seen, _) = pair
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(seen.logits.astype(np.float64)), torch.from_numpy(seen.labels), reduction="none"
    ).numpy()
    np.testing.assert_allclose(seen.losses, np.where(np.isnan(expected), np.inf, expected), rtol=1e-6, atol=1e-9)
    lost = np.isnan(seen.logits).any(axis=1)
    assert not seen.hits[lost].any()
    assert seen.correct == int(seen.hits.sum()) == int(np.trace(seen.confusion))
    assert seen.confusion.sum() == len(seen.labels)


def losing(loss: float, classes: int = 2) -> View:
    """A model at this mean loss."""
    logits = np.full((1, classes), math.log(math.expm1(loss) / (classes - 1)), np.float32)
    logits[0, 0] = 0
    return View(logits, np.array([0]))


def test_the_loss_may_rise_by_a_share_of_what_it_was() -> None:
    assert Loss().harm(losing(0.5), losing(0.65), None) == pytest.approx(0.3, abs=1e-6)
    assert Loss().harm(losing(0.5), losing(0.25), None) == pytest.approx(-0.5, abs=1e-6)
    broken = View(np.array([[math.nan, 0.0]], np.float32), np.array([0]))
    assert Loss().harm(losing(0.5), broken, None) == math.inf
    assert not Loss().accepts(math.inf, 10_000)
    assert Loss().harm(broken, losing(0.5), None) == 0


@given(st.integers(2, 100), st.floats(0.01, 3), st.floats(0.01, 3))
def test_no_tolerance_lets_the_loss_rise_from_near_chance_to_worse_than_guessing(
    classes: int, old_share: float, new_share: float
) -> None:
    guessing = math.log(classes)
    assume(all(abs(gap) > 1e-4 for gap in (old_share - 1.2, new_share - 1, new_share - old_share)))
    harm = Loss().harm(losing(old_share * guessing, classes), losing(new_share * guessing, classes), None)
    if old_share < 1.2 and new_share > 1 and new_share > old_share:
        assert harm == math.inf
    else:
        assert harm == pytest.approx(new_share / old_share - 1, rel=1e-3, abs=1e-3)


def test_what_a_learner_does_not_care_for_condemns_nobody() -> None:
    """All of class 3 is lost, half of class 0 is won."""
    before, after = view([1, 1, 3, 3], [0, 0, 3, 3]), view([0, 1, 0, 0], [0, 0, 3, 3])
    assert Balanced().harm(before, after, None) == pytest.approx(0.25)
    assert Balanced().harm(before, after, np.array([1.0, 0, 0, 0])) == pytest.approx(-0.5)
    assert Balanced().harm(before, after, np.array([0.5, 0, 0, 0.5])) == pytest.approx(0.25)
    # Nothing that the learner cares for is among these images: then all of them count.
    assert Balanced().harm(before, after, np.array([0, 1.0, 0, 0])) == pytest.approx(0.25)
    assert label_shares(np.array([0, 0, 3]), 4).tolist() == [2 / 3, 0, 0, 1 / 3]


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_gives_the_exact_binomial_tail(gained: int, lost: int) -> None:
    tail = sum(Fraction(math.comb(gained + lost, k), 2 ** (gained + lost)) for k in range(gained + 1))
    assert at_most(gained, gained + lost) == pytest.approx(float(tail), rel=1e-12)


def test_mcnemar_keeps_its_level_among_models_that_are_equally_good() -> None:
    """Two models right by chance on 200 images each: at 5 % at most 5 % are rejected, up to what chance allows."""
    rng, labels, rejected = np.random.default_rng(7), [0] * 200, 0
    for _ in range(400):
        before, after = (view(rng.integers(0, 2, 200).tolist(), labels) for _ in range(2))
        rejected += not McNemar().accepts(McNemar().harm(before, after, None), 500)
    assert 0 < rejected <= 400 * 0.05 + 3 * math.sqrt(400 * 0.05 * 0.95)


def test_counts_and_logits_give_the_same_harm() -> None:
    engine = TorchEngine(lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, CLASSES)))
    rng = np.random.default_rng(3)
    images = rng.standard_normal((250, 1, 4, 4), dtype=np.float32)
    labels = rng.integers(0, CLASSES, 250)
    before, after = engine.initial(1), engine.initial(2)
    rule = RULES.find("paper")
    assert isinstance(rule, CountRule)
    old, new = (View(logits, labels) for logits in engine.logits([before, after], images))
    for one in (rule, RULES.find("loss")):
        expected = Finding(one.harm(old, new, None), old.correct, new.correct, 250)
        assert examine(one, engine, before, after, images, labels) == expected


@given(st.floats(), *[st.integers(0, 65_535)] * 3)
def test_a_finding_survives_as_whole_numbers(harm: float, before: int, after: int, images: int) -> None:
    numbers = Finding(harm, before, after, images).to_numbers()
    assert all(-(2**63) <= number < 2**63 for number in numbers)
    assert repr(Finding.of_numbers(numbers)) == repr(Finding(harm, before, after, images))


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((2, 3), np.float32), np.zeros(3, np.int64), r"logits \(2, 3\) and labels \(3,\)"),
        (np.zeros((0, 3), np.float32), np.zeros(0, np.int64), "N > 0"),
        (np.zeros((2, 3), np.float32), np.array([0, 3]), "this model has 3 classes"),
    ],
)
def test_logits_that_do_not_fit_the_labels_are_refused(logits: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(LearningError, match=message):
        View(logits, labels)


class Own(Rule):
    """Finds no harm in anything but another first logit."""

    name = "own"
    default_tolerance = 0.1

    def harm(self, before: View, after: View, goal: object) -> float:
        return float(np.nan_to_num(after.logits[0, 0] - before.logits[0, 0]))


class Chatty(Own):
    """Counts what it is asked, which other processes do not hear of."""

    asked = 0

    def harm(self, before: View, after: View, goal: object) -> float:
        self.asked += 1
        return super().harm(before, after, goal)


class Moody(Own):
    """Draws what it finds."""

    def harm(self, before: View, after: View, goal: object) -> float:
        return float(np.random.default_rng().random())


class Careless(Own):
    """Sorts the logits that it was given."""

    def harm(self, before: View, after: View, goal: object) -> float:
        after.logits.sort()
        return 0.0


def broken(**attributes: object) -> Rule:
    """A rule of one's own with other attributes."""
    rule = Own()
    for name, value in attributes.items():
        setattr(rule, name, value)
    return rule


def test_rules_are_found_by_name() -> None:
    assert RULES.built_in == SHIPPED
    assert [RULES.find(name).metric for name in SHIPPED] == list(range(7))
    assert [RULES.find(name).name for name in SHIPPED] == list(SHIPPED)
    with pytest.raises(PluginError, match="rule is 'own': choose paper, loss"):
        RULES.find("own")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_rules_that_ship_pass_the_check(name: str) -> None:
    check_rule(RULES.find(name))


def test_a_rule_of_ones_own_passes_the_check() -> None:
    check_rule(Own())
    assert Own().metric == 255


class Infinite(Own):
    """Finds no number in broken models."""

    def harm(self, before: View, after: View, goal: object) -> float:
        return math.nan if np.isnan(after.logits).any() else 0.0


class Fails(Own):
    """Knows nothing of a class without images."""

    def harm(self, before: View, after: View, goal: object) -> float:
        return 0 / int(np.bincount(after.labels, minlength=CLASSES).min())


class Strict(Own):
    """Rejects whatever it is shown."""

    def harm(self, before: View, after: View, goal: object) -> float:
        return 1.0


class Lenient(Own):
    """Accepts whatever it is shown."""

    def harm(self, before: View, after: View, goal: object) -> float:
        return 0.0


class Vague(Own):
    """Has one harm for each image."""

    def harm(self, before: View, after: View, goal: object) -> object:  # type: ignore[override]
        return after.losses - before.losses


class Unsure(CountRule):
    """Judges by counts alone, at random."""

    name = "unsure"
    default_tolerance = 1.0

    def harm_of_counts(self, before: int, after: int, images: int) -> float:
        return float(np.random.default_rng().random())


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (broken(name="Own"), "name is 'Own': set a class attribute name to a short lower-case string"),
        (broken(name="paper"), "name is 'paper': there is such a rule, choose another name"),
        (broken(default_tolerance=2), "default_tolerance is 2: set a number from 0 to 1"),
        (broken(default_tolerance=None), "default_tolerance is None: set a number from 0 to 1"),
        (broken(metric=256), "metric is 256: leave it out, or set a whole number from 0 to 255"),
        (broken(metric=1), "metric is 1: that is the number of the rule 'loss', leave it out"),
        (broken(limit=max), r"limit\(\) raised TypeError"),
        (broken(harm=lambda before, after, goal: 0.0), "Own cannot be sent to other processes"),
        (Chatty(), "Chatty keeps something from one call to the next"),
        (Moody(), r"harm\(\) found .* and .* for equal arguments: it must be deterministic"),
        (Unsure(), r"harm\(\) found .* and .* for equal arguments: it must be deterministic"),
        (Careless(), r"harm\(\) changed one of its arguments: work on a copy"),
        (Fails(), r"harm\(\) raised ZeroDivisionError"),
        (Strict(), r"harm\(\) of a model that did not change is 1.0, which default_tolerance does not accept"),
        (Vague(), r"harm\(\) returned array.*: return one number"),
    ],
)
def test_the_check_says_what_is_wrong_with_a_rule(rule: Rule, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        check_rule(rule)


def test_a_rule_may_find_no_number_in_a_broken_model() -> None:
    check_rule(Infinite())


def test_a_rule_that_accepts_everything_gets_a_warning() -> None:
    with pytest.warns(UserWarning, match="accepts every model that it is shown"):
        check_rule(Lenient())
