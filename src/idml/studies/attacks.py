"""What each adversary does to a run, without iDML and with it, and with other defences in its place."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from idml.reporting.series import Cohorts, accuracy_by_round
from idml.store import HONEST, RunStore
from idml.studies.batch import RunBatch, WantedRun
from idml.studies.estimates import Estimate
from idml.studies.scales import EvaluationSize

VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "none": {"incentive": False},
    "idml": {},
    "paper": {"preset": "paper", "tolerance": 0.03, "rule": "paper"},
    "norm": {"incentive": False, "defence": "norm"},
    "krum": {"incentive": False, "defence": "krum"},
    "idml+norm": {"defence": "norm"},
    "idml+krum": {"defence": "krum"},
}
"""What stands against adversaries, as keys of a configuration. `rule-NAME` is one more for each validation rule."""

RULE: Final = "rule-"

ADAPTIVE: Final = ("drift", "free_rider")
"""Kinds of adversary that hand over what they know the rule to accept."""

PEACE: Final = "nobody"
"""In place of a kind of adversary: all devices are honest."""


@dataclass(frozen=True, slots=True)
class AttackRow:
    """What came of a kind of adversary under a variant, over seeds.

    Args:
        kind: of adversary, or `PEACE`.
        variant: a key of `VARIANTS`.
        seeds: how many runs.
        accuracy: of honest devices, over the last rounds.
        lost: by how much it is below that of the runs with the same seeds and variant, and nobody hostile.
        expelled: adversaries that fell out, as a share.
        expelled_round: mean round in which they did.
        rejoined: times that they came back, for each of them.
        earned: of an adversary over all roles, in tokens.
        honest_earned: of an honest device.
        honest_rejected: share of honest contributions that were rejected; without a vote, that were not merged.
        honest_expelled: honest devices that fell out, a run.
        success: how often the attack takes models in, if it aims at anything.
    """

    kind: str
    variant: str
    seeds: int
    accuracy: Estimate | None
    lost: Estimate | None
    expelled: Estimate | None
    expelled_round: Estimate | None
    rejoined: Estimate | None
    earned: Estimate | None
    honest_earned: Estimate | None
    honest_rejected: Estimate | None
    honest_expelled: Estimate | None
    success: Estimate | None


@dataclass(frozen=True, slots=True)
class AttackTable:
    """Every kind of adversary against every variant.

    Args:
        size: how large the runs are.
        kinds: of adversary; runs without any are compared with all of them.
        variants: keys of `VARIANTS`, or `rule-NAME`.
        settings: further configuration keys.
    """

    size: EvaluationSize
    kinds: Sequence[str]
    variants: Sequence[str]
    settings: Mapping[str, Any]

    @property
    def runs(self) -> list[WantedRun]:
        """All that it needs."""
        cells = product((PEACE, *self.kinds), self.variants)
        return [run for kind, variant in cells for run in self._runs(kind, variant)]

    def rows(self, batch: RunBatch) -> list[AttackRow]:
        """What came of the runs; all of them must be done.

        Args:
            batch: has the runs.
        """
        rows = []
        calm: dict[str, list[_Facts]] = {}
        for kind, variant in product((PEACE, *self.kinds), self.variants):
            paths = [batch.path(run) for run in self._runs(kind, variant)]
            facts = [_facts(path, kind, self.size.final_rounds) for path in paths]
            rows.append(_row(kind, variant, facts, calm.setdefault(variant, facts)))
        return rows

    def _runs(self, kind: str, variant: str) -> list[WantedRun]:
        """One for each seed."""
        adversaries = {} if kind == PEACE else {kind: self.size.attackers}
        values = {"dataset": self.size.datasets[0], **self.size.config, **variant_settings(variant), **self.settings}
        return [
            WantedRun(f"{kind}-{variant}-{seed}", {**values, "seed": seed, "adversaries": adversaries})
            for seed in range(1, self.size.seeds + 1)
        ]


def variant_settings(variant: str) -> Mapping[str, Any]:
    """The configuration keys of a variant."""
    return {"rule": variant.removeprefix(RULE)} if variant.startswith(RULE) else VARIANTS[variant]


_Facts = Mapping[str, float | None]
"""Of one run, by the names of `AttackRow`."""


def _facts(directory: Path, kind: str, final_rounds: int) -> _Facts:
    """What a run says about its adversaries."""
    with RunStore.open(directory) as store:
        summary = store.require_summary()
        rounds = accuracy_by_round(store, Cohorts.of(store.devices()).honest)
    final = [spread.mean for spread in rounds if spread.at > rounds[-1].at - final_rounds]
    honest, theirs = summary["kinds"][HONEST], summary["kinds"].get(kind)
    judged = honest["accepted"] + honest["rejected"]
    paid = summary["config"]["incentive"]
    return {
        "accuracy": fmean(final),
        "honest_rejected": honest["rejected"] / judged if judged else None,
        "honest_expelled": honest["expelled"] if paid else None,
        "honest_earned": sum(honest["earnings"].values()) if paid else None,
        "expelled": theirs["expelled"] / theirs["devices"] if theirs and paid else None,
        "expelled_round": theirs["expelled_round"]["mean"] if theirs and theirs["expelled_round"] else None,
        "rejoined": theirs["rejoined"] / theirs["devices"] if theirs and paid else None,
        "earned": sum(theirs["earnings"].values()) if theirs and paid else None,
        "success": summary["attack_success"].get(kind),
    }


def _row(kind: str, variant: str, facts: Sequence[_Facts], calm: Sequence[_Facts]) -> AttackRow:
    """Over seeds; `calm` are the runs in which nobody is hostile."""

    def mean(values: Iterable[float | None]) -> Estimate | None:
        known = [value for value in values if value is not None]
        return Estimate.of(known) if known else None

    means = {name: mean(fact[name] for fact in facts) for name in facts[0]}
    pairs = [] if kind == PEACE else zip(calm, facts, strict=True)
    lost = mean(_accuracy(before) - _accuracy(after) for before, after in pairs)
    return AttackRow(kind, variant, len(facts), lost=lost, **means)


def _accuracy(facts: _Facts) -> float:
    accuracy = facts["accuracy"]
    assert accuracy is not None
    return accuracy
