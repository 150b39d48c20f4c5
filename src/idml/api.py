"""The public face: run a simulation and write its report, from Python as from the command line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idml.adapters.base import Adapter
from idml.reporting.frames import frame
from idml.reporting.report import write_report
from idml.reporting.summary import numbers
from idml.simulation.config import Config, make_config
from idml.simulation.given import names_of_given
from idml.simulation.runs import resume as go_on
from idml.simulation.runs import simulate
from idml.simulation.totals import Observer, Snapshot
from idml.simulation.unpaid import play_without_incentive, require_incentive
from idml.store.errors import StoreError
from idml.store.models import read_model
from idml.store.run_reader import SUMMARY, WITHOUT_INCENTIVE
from idml.store.run_store import RunStore

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    from torch import nn

    from idml.learning.arrays import FloatVector
    from idml.learning.engine import Engine


@dataclass(frozen=True, slots=True)
class Run:
    """A run on disk, finished or not. `idml.run`, `idml.resume` and `idml.load_run` return one.

    Its tables are frames of pandas (`pip install pandas`), read anew each time, so that those of a run that still goes
    on grow. The page on results says what their columns are.

    Args:
        directory: where all of it lies: config.toml, run.sqlite, models, summary.json, report.html.
        summary: what `summary.json` holds; of a run that has not ended, what its records give so far.
    """

    directory: Path
    summary: dict[str, Any]

    @property
    def report(self) -> Path:
        """The report, one HTML file. `idml report` writes it anew."""
        return self.directory / "report.html"

    @property
    def finished(self) -> bool:
        """Whether the run has ended."""
        with RunStore.open(self.directory) as store:
            return store.read_summary() is not None

    @property
    def config(self) -> Config:
        """The configuration, with every default filled in."""
        with RunStore.open(self.directory) as store:
            return make_config(store.settings)

    @property
    def devices(self) -> "pd.DataFrame":
        """The participants, one row each."""
        return self._frame("devices")

    @property
    def encounters(self) -> "pd.DataFrame":
        """The contacts, and what became of them."""
        return self._frame("encounters")

    @property
    def votes(self) -> "pd.DataFrame":
        """The votes, with what each validator measured."""
        return self._frame("votes")

    @property
    def transactions(self) -> "pd.DataFrame":
        """The transactions on the ledger."""
        return self._frame("transactions")

    @property
    def stakes(self) -> "pd.DataFrame":
        """The changes of stakes."""
        return self._frame("stakes")

    @property
    def accuracy(self) -> "pd.DataFrame":
        """The measured accuracies, by round and device."""
        return self._frame("accuracy")

    @property
    def baselines(self) -> "pd.DataFrame":
        """The accuracies that those of the devices are compared with, by round."""
        return self._frame("baselines")

    @property
    def earnings(self) -> "pd.DataFrame":
        """The net earnings of each device in each role; none before the run has ended."""
        return self._frame("earnings")

    @property
    def expulsions(self) -> "pd.DataFrame":
        """The devices whose stake fell below the threshold."""
        return self._frame("expulsions")

    def model(self, device: int) -> "FloatVector":
        """The model that a device had in the end, as engines take it.

        Args:
            device: its number.

        Returns:
            All its tensors one after another, float32 (size,).

        Raises:
            StoreError: the run keeps no model of this device, or has not ended yet.
        """
        import numpy as np

        return np.concatenate([tensor.ravel() for tensor in self.tensors(device).values()])

    def tensors(self, device: int) -> "dict[str, npt.NDArray[np.float32]]":
        """The same model as float32 tensors by name; see `model`."""
        with RunStore.open(self.directory) as store:
            path = store.model_path(device)
        if not os.path.isfile(path):
            raise StoreError(f"there is no {path}: models are kept when a run ends, for devices that it has")
        return read_model(path)

    def engine(self) -> "Engine":
        """An engine for the models of this run, as devices used it: it trains and evaluates them.

        Raises:
            ConfigError, PluginError, LearningError: what the run had plugged in is not here, or its backend is not.
        """
        from idml.learning.backends import make_engine
        from idml.simulation.setup import blueprint

        config = self.config
        assert config.backend != "auto"
        return make_engine(config.backend, blueprint(config), threads=config.threads)

    def module(self, device: int) -> "nn.Module":
        """The model of a device as a module of PyTorch, set to evaluate; see `model` and `engine` for errors.

        Args:
            device: its number.

        Returns:
            A module that maps float32 inputs, as `idml.prepare` makes them of images, to one logit for each class.
        """
        tensors, config = self.tensors(device), self.config
        import torch

        from idml.learning.models import module_factory
        from idml.simulation.setup import blueprint

        module = module_factory(blueprint(config))()
        # Constant buffers are no part of what devices exchange: they stay as the module made them.
        module.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()}, strict=False)
        return module.eval()

    def _frame(self, table: str) -> "pd.DataFrame":
        with RunStore.open(self.directory) as store:
            return frame(store, table)


def load_run(directory: Path | str) -> Run:
    """Open a run that is on disk: finished, still going on, or stopped.

    Args:
        directory: the run's directory.

    Raises:
        StoreError: there is no run, or it cannot be read.
    """
    with RunStore.open(Path(directory)) as store:
        return Run(Path(directory), store.read_summary() or numbers(store))


def run(
    directory: Path | str,
    config: Config | None = None,
    *,
    adapter: Adapter | None = None,
    observer: Observer | None = None,
    report: bool = True,
    progress: bool | None = None,
    without_incentive: bool = False,
    **settings: Any,
) -> Run:
    """Simulate and report.

    Args:
        directory: where to write; must not hold a run yet.
        config: what to run, best made by `load_config`, which explains what is wrong; by default the defaults.
        adapter: a learning algorithm of your own, instead of the one that the configuration names; the same as
            `algorithm`.
        observer: called with a `Snapshot` after each contact.
        report: whether to write the report, which takes a second or two; `idml report` does so later.
        progress: whether to show how far the run is; by default in a notebook alone.
        without_incentive: whether to play the same run without its incentive as well, into the folder
            `without-incentive` of the directory. The report then sets them side by side.
        settings: configuration keys that differ from `config`, for instance `devices=30`. Where a key names a plug-in,
            the thing itself will do: `model=FUNCTION`, `dataset=Dataset.from_arrays(...)`.

    Raises:
        ConfigError, TraceError, DataError, AdapterError, StoreError, LedgerError: one line for each problem.
    """
    values = {**(config.model_dump(exclude_none=True) if config else {}), **settings}
    with names_of_given(values) as named:
        wanted = make_config(named)
        if without_incentive:
            require_incentive(named)
            RunStore.check_free(Path(directory) / WITHOUT_INCENTIVE)
        with _watched(observer, progress) as watcher:
            summary = simulate(wanted, Path(directory), adapter=adapter, observer=watcher)
            if without_incentive:
                play_without_incentive(Path(directory), adapter=adapter, observer=watcher)
    if report:
        write_report(Path(directory))
    return Run(Path(directory), summary)


def resume(
    directory: Path | str,
    *,
    adapter: Adapter | None = None,
    observer: Observer | None = None,
    report: bool = True,
    progress: bool | None = None,
    without_incentive: bool = False,
    **settings: Any,
) -> Run:
    """Go on with a run that was stopped or killed, and report: it ends as it would have ended.

    Args:
        directory: of the run.
        adapter: the learning algorithm, if the run was given one.
        observer: called with a `Snapshot` after each contact, from the first on.
        report, progress: as in `run`.
        without_incentive: as in `run`; the run itself may then be finished.
        settings: keys that change nothing about what happens, for instance `workers=4`; and again the objects that the
            run was given, for instance `model=FUNCTION`.

    Raises:
        ConfigError, TraceError, DataError, AdapterError, StoreError, LedgerError: one line for each problem.
    """
    path = Path(directory)
    finished = os.path.exists(path / SUMMARY) and not os.path.exists(path / WITHOUT_INCENTIVE / SUMMARY)
    with names_of_given(settings) as named, _watched(observer, progress) as watcher:
        if without_incentive and finished:
            with RunStore.open(path) as store:
                summary = store.require_summary()
        else:
            summary = go_on(path, named, adapter=adapter, observer=watcher)
        if without_incentive:
            play_without_incentive(path, named, adapter=adapter, observer=watcher)
    if report:
        write_report(Path(directory))
    return Run(Path(directory), summary)


@contextmanager
def _watched(observer: Observer | None, progress: bool | None) -> Iterator[Observer | None]:
    """Give an observer that shows progress, if that is wanted, and calls the given one."""
    from idml.progress import in_notebook, watch

    if not (in_notebook() if progress is None else progress):
        yield observer
        return
    with watch() as show:

        def both(snapshot: Snapshot) -> None:
            show(snapshot)
            if observer is not None:
                observer(snapshot)

        yield both
