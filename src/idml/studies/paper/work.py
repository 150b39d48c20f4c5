"""What can be reproduced, and how: the runs of each figure, then the figure from its runs."""

import os
import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Final

from idml.studies.batch import Progress, RunBatch, WantedRun
from idml.studies.paper import accuracy, natural, stakes, tables, votes
from idml.studies.paper.cost import ComputeCost, estimate
from idml.studies.paper.page import write_page
from idml.studies.paper.section import Section
from idml.studies.scales import PaperSize, Scale


@dataclass(frozen=True, slots=True)
class Target:
    """A figure or table.

    Args:
        runs: those that it needs.
        section: makes it of them.
    """

    runs: Callable[[PaperSize], Sequence[WantedRun]]
    section: Callable[[PaperSize, RunBatch], Section]


TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {
        "table1": Target(lambda _: (), lambda *_: tables.table1()),
        "fig7": Target(votes.wanted, votes.section),
        "fig8": Target(accuracy.wanted, accuracy.section),
        "fig9": Target(stakes.wanted, stakes.section),
        "table2": Target(lambda _: (), lambda *_: tables.table2()),
        "natural": Target(natural.wanted, natural.section),
    }
)
"""By the name on the command line, in the order of the page."""


def wanted(names: Sequence[str], scale: Scale) -> list[WantedRun]:
    """The runs that targets need, each once."""
    runs = (run for name in names for run in TARGETS[name].runs(scale.paper))
    return list({run.name: run for run in runs}.values())


def cost(names: Sequence[str], scale: Scale, directory: Path, data_dir: str | None, *, download: bool) -> ComputeCost:
    """What the runs will cost that are not done yet; see `estimate`.

    Raises:
        StudyError: if the directory holds others.
        ConfigError, DataError: if one of them cannot be.
    """
    batch, runs = _batch(directory, data_dir), wanted(names, scale)
    batch.check(runs)
    return estimate([run for run in runs if not batch.is_done(run)], data_dir, download=download)


def reproduce(
    names: Sequence[str], scale: Scale, directory: Path, *, data_dir: str | None, processes: int, progress: Progress
) -> Path:
    """Do what is not done yet of the runs that targets need, then write all that can be shown.

    Args:
        names: keys of `TARGETS`.
        scale: how much.
        directory: of runs and results; the same one goes on where it stopped.
        data_dir: where data are; None: as `idml run` finds them.
        processes: runs at a time.
        progress: told how many are done.

    Returns:
        The page.

    Raises:
        StudyError: if a run fails, or the directory holds others.
        KeyboardInterrupt: on Ctrl-C; nothing is lost.
    """
    batch = _batch(directory, data_dir)
    batch.play(wanted(names, scale), processes, progress)
    # Also what earlier calls were for, and the tables, which need no run: the page shows all there is.
    shown = [name for name in TARGETS if _is_done(name, scale, batch)]
    sections = [TARGETS[name].section(scale.paper, batch) for name in shown]
    if not scale.judges:
        sections = [section.without_verdicts() for section in sections]
    facts = _machine()
    if wanted(shown, scale):
        facts["Runs"] = (
            f"each is a directory under {directory / 'runs'}, a replay of votes a file under {directory / 'replays'}; "
            f"idml report {directory / 'runs'}/NAME adds a report of its own"
        )
    facts["Again"] = _again(shown, scale, directory, data_dir)
    return write_page(directory, scale, sections, facts)


def _batch(directory: Path, data_dir: str | None) -> RunBatch:
    return RunBatch(directory, {"data_dir": data_dir} if data_dir else {})


def _is_done(name: str, scale: Scale, batch: RunBatch) -> bool:
    if name == "natural" and scale.paper.natural is None:
        return False
    return all(map(batch.is_done, TARGETS[name].runs(scale.paper)))


def _machine() -> dict[str, str]:
    return {
        "Program": f"idml {version('idml')}, Python {platform.python_version()}",
        "Machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
    }


def _again(shown: Sequence[str], scale: Scale, directory: Path, data_dir: str | None) -> str:
    """The command line that makes a page with the same on it."""
    if set(TARGETS) - set(shown) <= (set() if scale.paper.natural else {"natural"}):
        names = ["all"]
    else:
        # Stakes are of runs of Fig. 8, and tables come with everything.
        known = {name: {run.name for run in TARGETS[name].runs(scale.paper)} for name in shown}
        names = [name for name in shown if known[name] and not any(known[name] < other for other in known.values())]
    options = ["--scale", scale.name, "--out", str(directory), *(["--data-dir", data_dir] if data_dir else [])]
    return " && ".join(shlex.join(["idml", "reproduce", name, *options]) for name in names or ["table1"])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
