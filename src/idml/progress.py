"""What a run shows while it goes: a live view on a terminal and in a notebook, a line a round elsewhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from rich.console import Console, Group, RenderableType
from rich.jupyter import JupyterMixin
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from idml.protocol.task import TOKEN_WEI
from idml.simulation.totals import DEPLOYING, JOINING, LOADING, Observer, Snapshot

_BLOCKS = "▁▂▃▄▅▆▇█"
_SHOWN_ADVERSARIES = 12
_NOTEBOOK_S = 0.5
"""Between two views in a notebook, each of which is a message to the browser."""


@contextmanager
def watch(*, quiet: bool = False) -> Iterator[Observer]:
    """Give an observer that shows a run's progress until the context ends: in the cell of a notebook, else on stderr.

    Args:
        quiet: show nothing.
    """
    console = Console(stderr=True)
    if quiet:
        yield lambda _snapshot: None
    elif in_notebook():
        yield _cell()
    elif console.is_terminal:
        view = _LiveView()
        with Live(view, console=console, refresh_per_second=4):
            yield view.update
    else:
        yield _lines(console)


def in_notebook() -> bool:
    """Whether this process runs the cells of a Jupyter notebook."""
    if (ipython := sys.modules.get("IPython")) is None:
        return False
    shell = ipython.get_ipython()
    return shell is not None and shell.has_trait("kernel")


def _cell() -> Observer:
    """The live view as the output of a notebook's cell."""
    view = _LiveView()
    # Rich's own live view in a notebook needs ipywidgets, which need not be there.
    output = import_module("IPython.display").display(view, display_id=True)
    shown_s = 0.0

    def observe(snapshot: Snapshot) -> None:
        nonlocal shown_s
        view.update(snapshot)
        now_s = time.monotonic()
        if now_s - shown_s >= _NOTEBOOK_S or snapshot.stage != "meeting":
            output.update(view)
            shown_s = now_s

    return observe


def _lines(console: Console) -> Observer:
    """One line for what the run is, and one at the end of each round; the first says how long the start took."""
    shown, begun_s = 0, time.monotonic()

    def observe(snapshot: Snapshot) -> None:
        nonlocal shown, begun_s
        if snapshot.stage == LOADING:  # of another run, maybe
            shown, begun_s = 0, time.monotonic()
        elif snapshot.stage == JOINING:  # all that may be wrong with a configuration has been found by now
            console.print(snapshot.title, highlight=False, soft_wrap=True)
        if len(snapshot.accuracy) == shown:
            return
        shown = len(snapshot.accuracy)
        out = f", expelled {_names(snapshot.expelled)}" if snapshot.expelled else ""
        if len(snapshot.accuracy) == 1:
            prepared = f"prepared in {time.monotonic() - begun_s:.1f} s"
            console.print(f"{prepared}; start: accuracy {snapshot.accuracy[0]:.3f}", highlight=False)
            return
        console.print(
            f"round {snapshot.round}: {snapshot.encounters} encounters, {snapshot.skipped} skipped, "
            f"accuracy {snapshot.accuracy[-1]:.3f}{out}",
            highlight=False,
            soft_wrap=True,
        )

    return observe


class _LiveView(JupyterMixin):
    """A bar, the accuracy so far, and the stakes."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._begun_s = time.monotonic()
        self._prepared_s: float | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("contacts"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            expand=True,
        )
        self._job = self._bar.add_task("preparing", total=None)

    def update(self, snapshot: Snapshot) -> None:
        """Take where the run stands."""
        before, self._snapshot = self._snapshot, snapshot
        preparing = snapshot.stage in (LOADING, DEPLOYING, JOINING)
        if before is None or snapshot.stage == LOADING:
            self._begun_s = time.monotonic()
        if preparing:
            self._bar.update(self._job, description=f"preparing: {snapshot.stage}", completed=0, total=None)
            self._prepared_s = None
            return
        if self._prepared_s is None:
            self._prepared_s = time.monotonic() - self._begun_s
        self._bar.update(self._job, description=snapshot.stage, completed=snapshot.contact, total=snapshot.contacts)

    def __rich__(self) -> RenderableType:
        snapshot = self._snapshot
        if snapshot is None:
            return self._bar
        facts = Table.grid(padding=(0, 2))
        if self._prepared_s is not None:
            facts.add_row("prepared", f"in {self._prepared_s:.1f} s")
        facts.add_row("round", str(snapshot.round))
        facts.add_row("encounters", f"{snapshot.encounters} ({snapshot.skipped} contacts skipped)")
        if snapshot.accuracy:
            facts.add_row("accuracy", f"{snapshot.accuracy[-1]:.3f}  {_spark(snapshot.accuracy)}")
        if snapshot.stakes_wei:
            facts.add_row("stakes", _stakes(snapshot))
            facts.add_row("expelled", _expelled(snapshot))
        return Panel(Group(self._bar, facts), title=f"iDML: {snapshot.title}", border_style="dim")


def _stakes(snapshot: Snapshot) -> RenderableType:
    honest = [stake for device, stake in snapshot.stakes_wei.items() if device not in snapshot.adversaries]
    rows = Table.grid(padding=(0, 2))
    rows.add_row(
        "honest", f"mean {sum(honest) / len(honest) / TOKEN_WEI:.1f}, least {min(honest) / TOKEN_WEI:.1f} tokens"
    )
    listed = sorted(snapshot.adversaries)
    if listed:
        cells = []
        for device in listed[:_SHOWN_ADVERSARIES]:
            style = "red strike" if device in snapshot.expelled else "yellow"
            cells.append(f"[{style}]{device}:{snapshot.stakes_wei[device] / TOKEN_WEI:.0f}[/]")
        more = f" and {len(listed) - _SHOWN_ADVERSARIES} more" if len(listed) > _SHOWN_ADVERSARIES else ""
        rows.add_row("adversaries", Text.from_markup(" ".join(cells) + more))
    return rows


def _expelled(snapshot: Snapshot) -> str:
    out = [device for device in snapshot.expelled if device in snapshot.adversaries]
    wrong = [device for device in snapshot.expelled if device not in snapshot.adversaries]
    text = f"{len(out)} of {len(snapshot.adversaries)} adversaries"
    return text + (f", and honest {_names(wrong)}" if wrong else ", no honest device")


def _names(devices: Sequence[int]) -> str:
    return ", ".join(str(device) for device in devices)


def _spark(values: Sequence[float]) -> str:
    """A line of block characters from the least to the greatest value."""
    low, high = min(values), max(values)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0
    return "".join(_BLOCKS[round((value - low) * scale)] for value in values[-60:])
