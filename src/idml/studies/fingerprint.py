"""What made a result: all that decides what a run or a replay comes to.

A result that is kept is taken again only if its fingerprint is the one that is wanted. What changes nothing about a
result, such as how many processes did the work, is no part of it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from idml.adapters.registry import ALGORITHMS
from idml.errors import IdmlError
from idml.outside import parse_toml
from idml.registry import blame
from idml.simulation.config import Config, make_config
from idml.simulation.runs import meta_of, trace_digest
from idml.simulation.setup import resolve
from idml.simulation.totals import HOW
from idml.store.run_store import RunStore

Fingerprint = Mapping[str, Any]
"""Configuration keys, resolved, and beside them the definition of the engine, the version of the rules, the digests of
plugged-in files and of a trace, and for a replay what is judged. As TOML holds it."""

_OLDEST_RULES = "1"
"""The version of the rules of a run from before there was a number."""
_ORIGINS = ("definition", "rules_version", "plugins")
"""What a run's record says of its origin beside its configuration."""


def fingerprint(config: Config, **judged: Any) -> Fingerprint:
    """All that decides what a run comes to.

    Args:
        config: of the run.
        judged: what else decides it; for a replay, what is judged.

    Raises:
        ConfigError, TraceError, PluginError: if the run cannot be.
    """
    try:
        resolved = resolve(config, ALGORITHMS.find(config.algorithm))
    except Exception as error:
        blamed = None if isinstance(error, IdmlError) else blame(error)
        if blamed is None:
            raise
        raise blamed from error
    return _of(resolved, meta_of(resolved), judged)


def fingerprint_of_run(directory: Path) -> Fingerprint:
    """The same of a run that was begun, by what its own record says.

    Raises:
        StoreError: if there is none.
        ConfigError: if its configuration cannot be read by this idml.
    """
    with RunStore.open(directory) as store:
        # A run from before there was a choice was trained by PyTorch.
        config = make_config({"backend": "torch", **store.settings})
        return _of(config, {"rules_version": _OLDEST_RULES, **store.meta}, {})


def difference(found: Fingerprint, wanted: Fingerprint) -> str | None:
    """In what two fingerprints differ, the first thing in a few words; None if they are equal."""
    for key in sorted({*found, *wanted}):
        if found.get(key) != wanted.get(key):
            return f"was made with {key} = {found.get(key)!r}, not {wanted.get(key)!r}"
    return None


def _of(config: Config, meta: Mapping[str, str], judged: Mapping[str, Any]) -> Fingerprint:
    made = config.model_dump(exclude_none=True, exclude=HOW)
    # The same trace wherever it lies; a run from before it was noted had the one that lies there.
    made["contacts"] = meta.get("trace") or trace_digest(config) or config.contacts
    made |= {key: meta[key] for key in _ORIGINS if meta.get(key)}
    made |= judged
    # As it will be read, for example lists for tuples.
    return parse_toml(tomli_w.dumps(made))
