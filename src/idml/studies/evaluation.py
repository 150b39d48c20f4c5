"""`idml evaluate` from end to end: does the runs and replays, and writes tables and figures of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from idml.learning.data.datasets import find_dataset
from idml.learning.data.files import find_file
from idml.learning.judging.registry import RULES
from idml.reporting.style import render
from idml.simulation.adversaries.registry import ADVERSARIES
from idml.store import write_atomically
from idml.studies.attacks import ADAPTIVE, RULE, AttackTable
from idml.studies.batch import JudgedReplay, Progress, RunBatch, WantedRun
from idml.studies.error_rates import ATTACKS, JudgedContribution
from idml.studies.figures import roc_figure
from idml.studies.replays import read_judged
from idml.studies.scales import NATURAL_TRACE, EvaluationSize
from idml.studies.tables import adaptive_markdown, attacks_csv, attacks_markdown, rules_csv, rules_markdown


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is evaluated, and where.

    Args:
        directory: takes all of it.
        size: how much.
        data_dir: where data are; None: as `idml run` finds them.
        processes: runs at a time.
        progress: told how many are done.
    """

    directory: Path
    size: EvaluationSize
    data_dir: str | None
    processes: int
    progress: Progress

    def rules(self) -> list[Path]:
        """Judge honest work and attacks by all rules; write `rules.csv`, `rules.md` and a figure for each setting."""
        batch, written = self._batch(replays=""), list[Path]()
        wanted = {setting: setting.replays(self.size) for setting in self._settings()}
        batch.play([run for runs in wanted.values() for run in runs], self.processes, self.progress)
        judged: dict[_Setting, list[JudgedContribution]] = {}
        for setting, runs in wanted.items():
            # Contacts of different seeds are different contacts.
            found = [one for run in runs for one in _apart(read_judged(batch.path(run)), run.settings["seed"])]
            judged[setting] = found
            figure = self.directory / f"roc-{setting.name}.svg"
            where = f"{setting.algorithm} on {setting.dataset}, {setting.partition}"
            write_atomically(figure, render(roc_figure(found, ATTACKS, where), "svg"))
            written.append(figure)
        table = rules_csv(((setting.columns, found) for setting, found in judged.items()), ATTACKS)
        pages = [
            f"## {', '.join(setting.columns.values())}\n\n{rules_markdown(found, ATTACKS, setting.dataset)}"
            for setting, found in judged.items()
        ]
        return [*written, *self._write("rules", table, "\n".join(pages))]

    def attacks(self, kinds: Sequence[str] | None = None) -> list[Path]:
        """Run adversaries against all variants; write `attacks.csv` and `attacks.md`.

        Args:
            kinds: of adversary; None: all that ship.
        """
        size = self.size.for_table
        table = AttackTable(size, list(ADVERSARIES.built_in) if kinds is None else kinds, size.variants, {})
        batch = self._batch(runs="table")
        batch.play(table.runs, self.processes, self.progress)
        rows = table.rows(batch)
        return self._write("attacks", attacks_csv(rows), attacks_markdown(rows))

    def adaptive(self) -> list[Path]:
        """Run the adversaries that know the rule against every rule; write `adaptive.csv` and `adaptive.md`."""
        variants = ["none", *(f"{RULE}{name}" for name in RULES.built_in)]
        table, batch = AttackTable(self.size, ADAPTIVE, variants, {}), self._batch()
        batch.play(table.runs, self.processes, self.progress)
        rows = table.rows(batch)
        return self._write("adaptive", attacks_csv(rows), adaptive_markdown(rows))

    @property
    def without_natural(self) -> str | None:
        """Why natural data are left out of `rules` though they belong to the size, in a line; None if they are not."""
        folder = Path(self.data_dir) if self.data_dir else None
        if self.size.natural is None or (find_file(NATURAL_TRACE, folder) and find_dataset("hapt", folder)):
            return None
        return f"natural data, as hapt or {NATURAL_TRACE} is in none of the data folders"

    def _batch(self, **folders: str) -> RunBatch:
        return RunBatch(self.directory, {"data_dir": self.data_dir} if self.data_dir else {}, **folders)

    def _settings(self) -> "Iterator[_Setting]":
        """What is replayed."""
        size = self.size
        for dataset, partition, algorithm in product(size.datasets, size.partitions, size.algorithms):
            yield _Setting(dataset, partition, algorithm)
        if size.natural is not None and self.without_natural is None:
            yield _Setting("hapt", "natural", "oppcl")
            yield _Setting("hapt", "natural", "gossip")

    def _write(self, name: str, table: str, page: str) -> list[Path]:
        written = [self.directory / f"{name}.csv", self.directory / f"{name}.md"]
        write_atomically(written[0], table.encode())
        write_atomically(written[1], page.encode())
        return written


@dataclass(frozen=True, slots=True)
class _Setting:
    """Data set, partition and algorithm of what is replayed."""

    dataset: str
    partition: str
    algorithm: str

    @property
    def columns(self) -> dict[str, str]:
        """By their names in a table."""
        return {"dataset": self.dataset, "partition": self.partition, "algorithm": self.algorithm}

    @property
    def name(self) -> str:
        """In names of files."""
        return "-".join(self.columns.values())

    def replays(self, size: EvaluationSize) -> list[WantedRun]:
        """One for each seed."""
        natural = (size.natural or {}) if self.partition == "natural" else {}
        settings: Mapping[str, Any] = {**size.config, **natural, **self.columns}
        files = {"contacts": NATURAL_TRACE} if natural else {}
        judged = JudgedReplay(size.every, ATTACKS)
        return [
            WantedRun(f"judged-{self.name}-{seed}.csv", {**_told(settings), "seed": seed}, judged, files)
            for seed in range(1, size.seeds + 1)
        ]


def _told(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without the keys that a size leaves to follow from others."""
    return {key: value for key, value in settings.items() if value is not None}


def _apart(judged: Sequence[JudgedContribution], seed: int) -> Iterator[JudgedContribution]:
    stride = 1 + max((one.contact for one in judged), default=0)
    return (replace(one, contact=one.contact + seed * stride) for one in judged)
