"""What each adversary does to a run, without iDML and with it, and with other defences in its place."""

import gc
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from idml.reporting.series import Cohorts, accuracy_by_round
from idml.simulation.adversaries import ADVERSARIES
from idml.simulation.config import ConfigError, make_config
from idml.simulation.runs import require_rules, resume, simulate
from idml.simulation.totals import HOW, Observer
from idml.store import HONEST, RunStore
from idml.store.run_reader import DATABASE
from idml.studies.estimates import Estimate
from idml.studies.scales import Scale

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

Told = Callable[[str], None]
"""Told which run begins."""


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


def attack_table(
    directory: Path,
    scale: Scale,
    *,
    kinds: Sequence[str] | None = None,
    variants: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    settings: Mapping[str, Any] | None = None,
    observer: Observer | None = None,
    told: Told = lambda _name: None,
) -> list[AttackRow]:
    """Run every adversary against every variant; what was run before is read, what was stopped goes on.

    Args:
        directory: takes the runs, one directory each.
        scale: how large they are.
        kinds: of adversary; all by default. A run without any comes first.
        variants: keys of `VARIANTS`, or `rule-NAME`; the scale's by default.
        seeds: the scale's by default.
        settings: further configuration keys.
        observer: of each run, see `idml.simulation.runs.simulate`.
        told: called before each run.

    Raises:
        ConfigError, TraceError, DataError, AdapterError, StoreError, LedgerError: with one line each.
    """
    kinds = list(ADVERSARIES) if kinds is None else kinds
    variants = scale.variants if variants is None else variants
    seeds = range(1, scale.seeds + 1) if seeds is None else seeds
    rows = []
    calm: dict[str, list[_Facts]] = {}
    for kind in (PEACE, *kinds):
        for variant in variants:
            facts = list[_Facts]()
            for seed in seeds:
                name = f"{kind}-{variant}-{seed}"
                told(name)
                values = _values(scale, kind, variant, seed, settings or {})
                facts.append(_facts(_finished(directory / name, values, observer), kind, scale.final_rounds))
            rows.append(_row(kind, variant, facts, calm.setdefault(variant, facts)))
    return rows


def variant_settings(variant: str) -> Mapping[str, Any]:
    """The configuration keys of a variant."""
    return {"rule": variant.removeprefix(RULE)} if variant.startswith(RULE) else VARIANTS[variant]


def _values(scale: Scale, kind: str, variant: str, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Configuration keys of a run."""
    adversaries = {} if kind == PEACE else {kind: scale.attackers}
    values = {"dataset": scale.datasets[0], **scale.config, **variant_settings(variant), **settings}
    return {**values, "seed": seed, "adversaries": adversaries}


def _finished(directory: Path, values: Mapping[str, Any], observer: Observer | None) -> Path:
    """The directory of a run that is over: read, gone on with or begun."""
    gc.collect()  # what the last run left behind holds a whole data set
    if not (directory / DATABASE).exists():
        simulate(make_config(values), directory, observer=observer)
        return directory
    with RunStore.open(directory) as store:
        recorded, finished = tomllib.loads(store.config), store.read_summary() is not None
        require_rules(directory, store.meta)
    for key, value in values.items():
        if recorded.get(key) != value and key not in HOW:
            raise ConfigError(f"{directory} holds a run with {key} = {recorded.get(key)!r}, not {value!r}: remove it")
    if not finished:
        resume(directory, {key: value for key, value in values.items() if key in HOW}, observer=observer)
    return directory


_Facts = Mapping[str, float | None]
"""Of one run, by the names of `AttackRow`."""


def _facts(directory: Path, kind: str, final_rounds: int) -> _Facts:
    """What a run says about its adversaries."""
    with RunStore.open(directory) as store:
        summary = store.read_summary()
        assert summary is not None
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
