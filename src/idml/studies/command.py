"""An evaluation from end to end: what is missing is run, then all tables and figures are written anew."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, product
from pathlib import Path
from typing import Any

from idml.learning.data.datasets import find_dataset, find_file
from idml.learning.judging.validation import rule_names
from idml.reporting.style import render
from idml.simulation.config import ConfigError, make_config
from idml.simulation.totals import Observer
from idml.store import write_atomically
from idml.studies.attacks import ADAPTIVE, RULE, attack_table
from idml.studies.error_rates import ATTACKS, JudgedContribution
from idml.studies.figures import roc_figure
from idml.studies.replays import Replay
from idml.studies.scales import NATURAL_TRACE, Scale
from idml.studies.tables import adaptive_markdown, attacks_csv, attacks_markdown, rules_csv, rules_markdown

Told = Callable[[str], None]
"""Told what is done, in a line."""


def evaluate_rules(directory: Path, scale: Scale, told: Told = lambda _line: None) -> list[Path]:
    """Measure the error rates of all rules; write `rules.csv`, `rules.md` and a figure of ROC curves a setting.

    What was replayed before, as csv beside them, is not replayed again.

    Raises:
        ConfigError, DataError, StoreError: with one line each; ConfigError too if such a csv was made otherwise, before
            anything is replayed.
    """
    _make(directory)
    wanted = {cell: _replays(directory, cell, keys, scale) for cell, keys in _settings(scale, told)}
    # All of them before hours of work, not each when its turn comes.
    for one in chain.from_iterable(wanted.values()):
        one.check()
    cells: dict[_Cell, list[JudgedContribution]] = {}
    written: list[Path] = []
    for cell, replays in wanted.items():
        found: list[JudgedContribution] = []
        for one in replays:
            if not one.path.exists():
                told(f"replaying {one.path.stem.removeprefix('judged-')}")
                one.play()
            # Contacts of different seeds are different contacts.
            found += _apart(one.read(), one.config.seed)
        cells[cell] = found
        dataset, partition, algorithm = cell
        figure = directory / f"roc-{'-'.join(cell)}.svg"
        where = f"{algorithm} on {dataset}, {partition}"
        write_atomically(figure, render(roc_figure(found, ATTACKS, where), "svg"))
        written.append(figure)
    columns = ("dataset", "partition", "algorithm")
    table = rules_csv(((dict(zip(columns, cell, strict=True)), found) for cell, found in cells.items()), ATTACKS)
    pages = [f"## {', '.join(cell)}\n\n{rules_markdown(found, ATTACKS, cell[0])}" for cell, found in cells.items()]
    written += [directory / "rules.csv", directory / "rules.md"]
    write_atomically(written[-2], table.encode())
    write_atomically(written[-1], "\n".join(pages).encode())
    return written


_Cell = tuple[str, str, str]
"""Data set, partition and algorithm of what is replayed."""


def _replays(directory: Path, cell: _Cell, keys: Mapping[str, Any], scale: Scale) -> list[Replay]:
    """One for each seed."""
    return [
        Replay(directory / f"judged-{'-'.join(cell)}-{seed}.csv", make_config({**keys, "seed": seed}), scale.every)
        for seed in range(1, scale.seeds + 1)
    ]


def _settings(scale: Scale, told: Told) -> Iterator[tuple[_Cell, dict[str, Any]]]:
    """What is replayed, with its configuration keys."""
    for dataset, partition, algorithm in product(scale.datasets, scale.partitions, scale.algorithms):
        keys = {"dataset": dataset, "partition": partition, "algorithm": algorithm}
        yield (dataset, partition, algorithm), {**scale.config, **keys}
    if scale.natural is None:
        return
    data_dir = Path(scale.config["data_dir"]) if "data_dir" in scale.config else None
    trace = find_file(NATURAL_TRACE, data_dir)
    if trace is None or not find_dataset("hapt", data_dir):
        told(f"left out: natural data, as hapt or {NATURAL_TRACE} is in none of the data folders")
        return
    for algorithm in ("oppcl", "gossip"):
        keys = {**scale.natural, "algorithm": algorithm, "contacts": str(trace)}
        yield ("hapt", "natural", algorithm), {**scale.config, **keys}


def evaluate_attacks(
    directory: Path,
    scale: Scale,
    told: Told = lambda _line: None,
    *,
    kinds: Sequence[str] | None = None,
    observer: Observer | None = None,
) -> list[Path]:
    """Run all adversaries against all variants and write `attacks.csv` and `attacks.md`; see `attack_table`."""
    _make(directory)
    rows = attack_table(directory / "table", scale.for_table, kinds=kinds, observer=observer, told=told)
    written = [directory / "attacks.csv", directory / "attacks.md"]
    write_atomically(written[0], attacks_csv(rows).encode())
    write_atomically(written[1], attacks_markdown(rows).encode())
    return written


def evaluate_adaptive(
    directory: Path, scale: Scale, told: Told = lambda _line: None, *, observer: Observer | None = None
) -> list[Path]:
    """Run the adversaries that know the rule against every rule; write `adaptive.csv` and `adaptive.md`."""
    _make(directory)
    variants = ["none", *(f"{RULE}{name}" for name in rule_names())]
    rows = attack_table(directory / "runs", scale, kinds=ADAPTIVE, variants=variants, observer=observer, told=told)
    written = [directory / "adaptive.csv", directory / "adaptive.md"]
    write_atomically(written[0], attacks_csv(rows).encode())
    write_atomically(written[1], adaptive_markdown(rows).encode())
    return written


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {directory}: {error.strerror}; choose another --out") from None


def _apart(judged: Sequence[JudgedContribution], seed: int) -> Iterator[JudgedContribution]:
    stride = 1 + max((one.contact for one in judged), default=0)
    return (replace(one, contact=one.contact + seed * stride) for one in judged)
