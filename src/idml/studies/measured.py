"""Error rates of validators, read from what `idml evaluate rules` wrote."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from idml.economics import NeighborWork, Strategy, Verdicts, accepted
from idml.outside import OutsideError, read_text
from idml.protocol.task import MAX_VOTES, TaskParams
from idml.simulation.config import Config, ConfigError
from idml.store import HONEST

FREE_RIDER: Final = "free_rider"
DRIFT: Final = "drift"
_ALL: Final = "1"
_COLUMNS: Final = ("dataset", "partition", "algorithm", "rule", "tolerance", "kind")
_COUNTS: Final = ("votes", "vote_errors", "verdicts", "verdict_errors")


def measured(path: Path, config: Config) -> tuple[Verdicts, dict[str, Fraction]]:
    """Error rates of the configuration's rule, as `idml evaluate rules` wrote them into `rules.csv`.

    The counts of all rows with the rule, the tolerance, the partition, the algorithm and, unless it is "auto", the
    dataset of the configuration are added up, over all encounters, a learner's first included. The rate of an attack
    is that of all together, free riders aside; drift counts at the rule's default tolerance alone, to which it was
    fitted.

    Returns:
        How honest validators err, and how often a validator misses each kind of attack, free riders included.

    Raises:
        ConfigError: if the file cannot be read, is another, or has no such rows.
    """
    wanted = {"partition": config.partition, "algorithm": config.algorithm, "rule": config.judged_by.name}
    if config.dataset != "auto":
        wanted["dataset"] = config.dataset
    tolerance = config.judged_by.tolerance_on(config.source) if config.tolerance is None else config.tolerance
    counts: dict[str, list[int]] = {}
    for number, row in _rows(path):
        if row.get("from_encounter", _ALL) != _ALL or (row["kind"] == DRIFT and row.get("default") == "no"):
            continue
        try:
            found, numbers = float(row["tolerance"]), [int(row[name]) for name in _COUNTS]
            for of, wrong in zip(numbers[::2], numbers[1::2], strict=True):
                if not 0 <= wrong <= of:
                    raise ValueError(f"{wrong} errors of {of}")
        except ValueError as error:
            raise ConfigError(f"{path}:{number}: {error}") from None
        if math.isclose(found, tolerance) and all(row[key] == value for key, value in wanted.items()):
            sums = counts.setdefault(row["kind"], [0] * len(_COUNTS))
            counts[row["kind"]] = [one + other for one, other in zip(sums, numbers, strict=True)]
    attacks = [kind for kind in counts if kind not in (HONEST, FREE_RIDER)]
    if not counts.get(HONEST, [0])[0] or not any(counts[kind][0] for kind in attacks):
        said = ", ".join(f"{key} {value}" for key, value in wanted.items())
        raise ConfigError(f"{path}: has no error rates for {said}, tolerance {tolerance:g}, of honest work and attacks")
    misses = {kind: Fraction(sums[1], sums[0]) for kind, sums in counts.items() if kind != HONEST and sums[0]}
    votes, errors = (sum(counts[kind][place] for kind in attacks) for place in (0, 1))
    verdicts = Verdicts(
        false_rejection=Fraction(counts[HONEST][1], counts[HONEST][0]),
        miss=Fraction(errors, votes),
        free_pass=misses.get(FREE_RIDER, Fraction(1)),
    )
    return replace(verdicts, together=_together(counts[HONEST], config.task(), verdicts)), misses


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
        missing = [name for name in (*_COLUMNS, *_COUNTS) if name not in (reader.fieldnames or ())]
        if missing:
            raise ConfigError(f"{path}: no rules.csv of idml evaluate: column {missing[0]} is missing")
        return [(reader.line_num, {key: value or "" for key, value in row.items()}) for row in reader]
    except OutsideError as error:
        raise ConfigError(str(error)) from None
    except csv.Error as error:
        raise ConfigError(f"{path}: no rules.csv of idml evaluate: {error}") from None


def _together(honest: Sequence[int], task: TaskParams, verdicts: Verdicts) -> Fraction:
    """How often honest verdicts fall alike, if committees err as often as they were seen to."""
    votes, _, committees, wrong = honest
    size = votes // committees if committees else 0
    if not 1 <= size <= MAX_VOTES:
        return Fraction(0)
    judged = replace(task, votes=size, committee_size=0, quorum=1, tie_accepts=True)
    apart = 1 - accepted(judged, NeighborWork.HONEST, Strategy.HONEST, verdicts)
    alike = verdicts.false_rejection
    if apart == alike:
        return Fraction(0)
    return min(Fraction(1), max(Fraction(0), (Fraction(wrong, committees) - apart) / (alike - apart)))
