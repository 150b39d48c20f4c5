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

from idml.studies.paper import accuracy, natural, stakes, tables, votes
from idml.studies.paper.cells import Cell, Cells, Progress
from idml.studies.paper.cost import ComputeCost, estimate
from idml.studies.paper.page import write_page
from idml.studies.paper.scales import Scale
from idml.studies.paper.section import Section


@dataclass(frozen=True, slots=True)
class Target:
    """A figure or table.

    Args:
        cells: the runs that it needs.
        section: makes it of them.
    """

    cells: Callable[[Scale], Sequence[Cell]]
    section: Callable[[Scale, Cells], Section]


TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {
        "table1": Target(lambda _: (), lambda *_: tables.table1()),
        "fig7": Target(votes.cells, votes.section),
        "fig8": Target(accuracy.cells, accuracy.section),
        "fig9": Target(stakes.cells, stakes.section),
        "table2": Target(lambda _: (), lambda *_: tables.table2()),
        "natural": Target(natural.cells, natural.section),
    }
)
"""By the name on the command line, in the order of the page."""


def wanted(names: Sequence[str], scale: Scale) -> list[Cell]:
    """The runs that targets need, each once."""
    cells = (cell for name in names for cell in TARGETS[name].cells(scale))
    return list({cell.name: cell for cell in cells}.values())


def cost(names: Sequence[str], scale: Scale, directory: Path, data_dir: str | None, *, download: bool) -> ComputeCost:
    """What the runs will cost that are not done yet; see `estimate`."""
    cells = Cells(directory)
    return estimate([cell for cell in wanted(names, scale) if not cells.is_done(cell)], data_dir, download=download)


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
        ReproductionError: if a run fails, or the directory holds others.
        KeyboardInterrupt: on Ctrl-C; nothing is lost.
    """
    cells = Cells(directory, {"data_dir": data_dir} if data_dir else {})
    cells.play(wanted(names, scale), processes, progress)
    # Also what earlier calls were for, and the tables, which need no run: the page shows all there is.
    shown = [name for name in TARGETS if _is_done(name, scale, cells)]
    sections = [TARGETS[name].section(scale, cells) for name in shown]
    facts = _machine()
    if wanted(shown, scale):
        facts["Runs"] = (
            f"each is a directory under {directory / 'runs'}, a replay of votes a file under {directory / 'replays'}; "
            f"idml report {directory / 'runs'}/NAME adds a report of its own"
        )
    facts["Again"] = _again(shown, scale, directory, data_dir)
    return write_page(directory, scale, sections, facts)


def _is_done(name: str, scale: Scale, cells: Cells) -> bool:
    if name == "natural" and scale.natural is None:
        return False
    return all(map(cells.is_done, TARGETS[name].cells(scale)))


def _machine() -> dict[str, str]:
    return {
        "Program": f"idml {version('idml')}, Python {platform.python_version()}, PyTorch {version('torch')}",
        "Machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
    }


def _again(shown: Sequence[str], scale: Scale, directory: Path, data_dir: str | None) -> str:
    """The command line that makes a page with the same on it."""
    if set(TARGETS) - set(shown) <= (set() if scale.natural else {"natural"}):
        names = ["all"]
    else:
        # Stakes are of runs of Fig. 8, and tables come with everything.
        known = {name: {cell.name for cell in TARGETS[name].cells(scale)} for name in shown}
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
