"""What came of a sweep: means over seeds for each setting, and by how much a value is better than the first."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from idml.studies.estimates import Estimate
from idml.studies.sweep.quantities import Numbers, quantities
from idml.studies.sweep.vary import key_label, setting_text, value_text

SEED: Final = "seed"
Setting = Mapping[str, Any]
"""What is varied but the seed, by key."""
_Runs = Mapping[Any, Numbers]
"""The numbers of the runs of a setting, by seed."""


@dataclass(frozen=True, slots=True)
class SettingMeans:
    """What came of one setting.

    Args:
        setting: values by key.
        runs: that are done.
        means: over the seeds, by the name of the quantity; what no run has a number for is left out.
    """

    setting: Setting
    runs: int
    means: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Effect:
    """What another value of one key changes, with all else equal.

    Args:
        key: that is changed.
        value, first: its values that are compared.
        others: the other keys that are varied, with their values.
        pairs: seeds that both have a run of.
        differences: value less first, by the name of the quantity: the mean over pairs of one seed.
    """

    key: str
    value: Any
    first: Any
    others: Setting
    pairs: int
    differences: Mapping[str, Estimate]

    @property
    def words(self) -> str:
        """What is compared."""
        where = f" at {setting_text(self.others)}" if self.others else ""
        return f"{key_label(self.key)} {value_text(self.value)} less {value_text(self.first)}{where}"


def setting_means(cells: Sequence[tuple[Setting, Numbers | None]]) -> list[SettingMeans]:
    """Means over seeds, in the order in which the settings are first met.

    Args:
        cells: what is varied, seed included, with the numbers of the run; None if it failed.
    """
    names = [one.name for one in quantities([numbers for _, numbers in cells if numbers])]
    found = []
    for setting, runs in _by_setting(cells):
        values = {name: [run[name] for run in runs.values() if name in run] for name in names}
        means = {name: Estimate.of(some) for name, some in values.items() if some}
        found.append(SettingMeans(setting, len(runs), means))
    return found


def effects(cells: Sequence[tuple[Setting, Numbers | None]]) -> list[Effect]:
    """For each key but the seed, and each of its values but the first: what it changes against the first.

    Args:
        cells: as of `setting_means`.
    """
    names = [one.name for one in quantities([numbers for _, numbers in cells if numbers])]
    settings = _by_setting(cells)
    keys = list(settings[0][0]) if settings else []
    found = []
    for key in keys:
        first = settings[0][0][key]
        against = {_apart(setting, key): runs for setting, runs in settings if setting[key] == first}
        for setting, runs in settings:
            others = {name: value for name, value in setting.items() if name != key}
            base = against.get(_apart(setting, key))
            if setting[key] != first and base is not None:
                pairs = [(runs[seed], base[seed]) for seed in runs if seed in base]
                differences = _differences(names, pairs)
                found.append(Effect(key, setting[key], first, others, len(pairs), differences))
    return found


def _differences(names: Sequence[str], pairs: Sequence[tuple[Numbers, Numbers]]) -> dict[str, Estimate]:
    found = {}
    for name in names:
        both = [(run[name], base[name]) for run, base in pairs if name in run and name in base]
        if both:
            found[name] = Estimate.of_differences(*zip(*both, strict=True))
    return found


def _by_setting(cells: Sequence[tuple[Setting, Numbers | None]]) -> list[tuple[Setting, _Runs]]:
    """The runs that are done of each setting, by seed."""
    settings: dict[tuple[Any, ...], tuple[Setting, dict[Any, Numbers]]] = {}
    for values, numbers in cells:
        setting = {key: value for key, value in values.items() if key != SEED}
        _, runs = settings.setdefault(_apart(setting, SEED), (setting, {}))
        if numbers is not None:
            runs[values.get(SEED)] = numbers
    return list(settings.values())


def _apart(setting: Setting, key: str) -> tuple[Any, ...]:
    """A setting without one of its keys, as something to look up."""
    return tuple(value_text(value) for name, value in setting.items() if name != key)


def half_width(value: Estimate) -> float | None:
    """Half of the interval's width; None where one run alone has none."""
    return None if math.isinf(value.half) else value.half
