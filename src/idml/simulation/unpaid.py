"""The same run without its incentive, beside it: what the incentive is for."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from idml.adapters.base import Adapter
from idml.simulation.config import ConfigError, make_config
from idml.simulation.runs import resume, simulate
from idml.simulation.totals import Observer
from idml.store.run_reader import DATABASE, SUMMARY, WITHOUT_INCENTIVE
from idml.store.run_store import RunStore


def play_without_incentive(
    directory: Path,
    settings: Mapping[str, Any] | None = None,
    *,
    adapter: Adapter | None = None,
    observer: Observer | None = None,
) -> None:
    """Play the run of a directory again without an incentive, into a folder of that directory.

    If that was begun before, it is gone on with; if it is finished, nothing happens.

    Args:
        directory: of the run, whose configuration is taken.
        settings: configuration keys that change nothing about what happens, such as `workers`.
        adapter: the learning algorithm, if the run was given one.
        observer: called after each contact.

    Raises:
        ConfigError: if the run has no incentive. Also whatever `simulate` and `resume` raise.
    """
    other = directory / WITHOUT_INCENTIVE
    if os.path.exists(other / SUMMARY):
        return
    if os.path.exists(other / DATABASE):
        resume(other, settings, adapter=adapter, observer=observer)
        return
    with RunStore.open(directory) as store:
        recorded = store.settings
    require_incentive(recorded)
    recorded.pop("rpc", None)  # there is no ledger
    # Devices that train alone would only do so once more.
    config = make_config({**recorded, **(settings or {}), "incentive": False, "baseline_devices": 0})
    simulate(config, other, adapter=adapter, observer=observer)


def require_incentive(values: Mapping[str, Any]) -> None:
    """Refuse to play a run without its incentive where it has none.

    Args:
        values: of the configuration, by key.
    """
    if not values.get("incentive", True):
        raise ConfigError("incentive is False: to play the run without it as well, leave the key out")
