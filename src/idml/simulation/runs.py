"""A run begun, and a run gone on with."""

import hashlib
import json
import logging
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from idml.adapters.base import Adapter
from idml.adapters.registry import ALGORITHMS
from idml.errors import IdmlError
from idml.learning.backends import definition_of
from idml.learning.judging.validation import RULES_VERSION
from idml.ledger.controlled import ControlledLedger
from idml.ledger.embedded.ledger import EmbeddedLedger
from idml.outside import parse_json, read_bytes
from idml.registry import GIVEN, PluginError, blame
from idml.simulation.accounts import TOKENS_PER_COIN
from idml.simulation.config import Config, ConfigError, make_config, to_wei
from idml.simulation.contacts.registry import names_source
from idml.simulation.setup import (
    build_world,
    check_plugins,
    data_digest,
    engine_line,
    plugin_digests,
    resolve,
    why_digits,
)
from idml.simulation.simulator import Simulator
from idml.simulation.totals import DEPLOYING, HOW, LOADING, Observer, Snapshot, Stopped, snapshot_before
from idml.simulation.work.executors.ray_cluster import require_ray
from idml.store.run_reader import CONFIG, DATABASE, MODELS
from idml.store.run_store import RunStore

_LOG = logging.getLogger(__name__)


def simulate(
    config: Config, directory: Path, *, adapter: Adapter | None = None, observer: Observer | None = None
) -> dict[str, Any]:
    """Run a simulation and write all that happened into a run directory.

    Args:
        config: what to run.
        directory: where to; made if it is missing.
        adapter: a learning algorithm of your own; by default the one that `config.algorithm` names. It is checked with
            `check_adapter` first.
        observer: called after each contact.

    Returns:
        The summary, as it is written to `summary.json`.

    Raises:
        ConfigError, TraceError, DataError, AdapterError, StoreError, LedgerError: with one line each, before anything
            has run.
    """
    RunStore.check_free(directory)
    try:
        with _lent(adapter) as named:
            config = config.model_copy(update=named)
            digests = plugin_digests(config)
            adapter = check_all(config)
            resolved = resolve(config, adapter)
            if resolved.executor == "ray":
                require_ray(resolved.ray_address)
            observer = observer or _look_away
            observer(snapshot_before(resolved, LOADING))
            world = build_world(resolved, adapter)
            meta = meta_of(resolved)
            for name, digest in plugin_digests(config).items():
                if digests.get(name) != digest:
                    raise ConfigError(f"{name} has changed while the run began: begin it again")
            observer(snapshot_before(resolved, DEPLOYING))
            ledger = open_ledger(resolved)
            _LOG.info("engine is %s", meta["engine"])
            text = resolved.to_toml()
            if (why := why_digits(config)) is not None:
                _LOG.warning("%s", why)
                text = f"# {why}\n{text}"
            with _closing(ledger), _new_run(directory, text, meta) as store, _telling_where(store):
                return Simulator(world, store, observer, ledger).run()
    except (Exception, SystemExit) as error:
        raise _blamed(error)  # noqa: B904  the cause is set, where there is one


def resume(
    directory: Path,
    settings: Mapping[str, Any] | None = None,
    *,
    adapter: Adapter | None = None,
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Go on with a run that was stopped, or killed: it ends as it would have ended.

    Args:
        directory: of the run.
        settings: configuration keys; must be the run's own, save for those that change nothing about what happens,
            such as `workers`.
        adapter: the learning algorithm, if the run was given one.
        observer: called after each contact, from the first on.

    Returns:
        The summary, as it is written to `summary.json`.

    Raises:
        ConfigError, TraceError, DataError, AdapterError, StoreError, LedgerError: with one line each.
    """
    try:
        with _lent(adapter), RunStore.resume(directory) as store:
            # A run from before there was a choice was trained by PyTorch.
            settings = {key: value for key, value in (settings or {}).items() if value != "auto"}
            recorded = make_config({"backend": "torch", **store.settings})
            if recorded.rpc is not None:
                raise ConfigError(
                    f"rpc is {recorded.rpc!r}: what happened on a node cannot be played again; run it anew"
                )
            if not ALGORITHMS.knows(recorded.algorithm) and recorded.algorithm.endswith(GIVEN):
                raise ConfigError(
                    f"algorithm is {recorded.algorithm!r}: give the run the same object again, as adapter="
                )
            _require_files(recorded, store.meta)
            adapter = check_all(recorded)
            values = {**recorded.model_dump(exclude_none=True), **(settings or {})}
            if values["executor"] != "ray" and "ray_address" not in (settings or {}):
                values.pop("ray_address", None)
            config = resolve(make_config(values), adapter)
            for key, value in recorded.model_dump(exclude=HOW).items():
                if getattr(config, key) != value:
                    raise ConfigError(
                        f"{key} is {getattr(config, key)!r}: the run to resume has {value!r}; leave it out"
                    )
            _require_definition(config, store.meta.get("definition"))
            require_rules(directory, store.meta)
            _LOG.info("engine is %s", engine_line(config))
            observer = observer or _look_away
            observer(snapshot_before(config, LOADING))
            world = build_world(config, adapter)
            observer(snapshot_before(config, DEPLOYING))
            ledger = open_ledger(config)
            with _closing(ledger), _telling_where(store):
                return Simulator(world, store, observer, ledger).run()
    except (Exception, SystemExit) as error:
        raise _blamed(error)  # noqa: B904  the cause is set, where there is one


def meta_of(config: Config) -> dict[str, str]:
    """What a run's record says beside its configuration, whose backend is chosen: see `resolve`."""
    assert config.backend != "auto"
    return {
        "threshold_wei": str(to_wei(config.stake_threshold)),
        "definition": definition_of(config.backend),
        "rules_version": str(RULES_VERSION),
        "engine": engine_line(config),
        **({"plugins": json.dumps(plugins, sort_keys=True)} if (plugins := plugin_digests(config)) else {}),
        **({"data": data} if (data := data_digest(config)) else {}),
        **({"trace": digest} if (digest := trace_digest(config)) else {}),
    }


def trace_digest(config: Config) -> str | None:
    """SHA-256 of the file of a contact trace, hexadecimal; None where contacts come from elsewhere."""
    if names_source(config.contacts) or not os.path.isfile(config.contacts):
        return None
    return hashlib.sha256(read_bytes(Path(config.contacts))).hexdigest()


def check_all(config: Config) -> Adapter:
    """Check what a run plugs in, before it is begun, and return its algorithm.

    Args:
        config: names what is plugged in.

    Raises:
        PluginError, DataError, LearningError: what is wrong first, in one line.
    """
    check_plugins(config)
    return ALGORITHMS.find_checked(config.algorithm)


def _lent(adapter: Adapter | None) -> AbstractContextManager[dict[str, str]]:
    """The key that names an algorithm which is given as an object, if one is."""

    @contextmanager
    def lend() -> Iterator[dict[str, str]]:
        with ALGORITHMS.given(adapter) as name:
            yield {"algorithm": name}

    return nullcontext({}) if adapter is None else lend()


@contextmanager
def _new_run(directory: Path, config_toml: str, meta: Mapping[str, str]) -> Iterator[RunStore]:
    """A store for a new run. If the run fails before it has measured anything, its files are removed again."""
    was_there, failed_start = os.path.exists(directory), False
    with RunStore.create(directory, config_toml, meta) as store:
        try:
            yield store
        except (Exception, SystemExit) as error:
            failed_start = not isinstance(error, Stopped) and not store.accuracy()
            raise
        finally:
            if failed_start:
                store.close()
                _remove_run(directory, also_folder=not was_there)


def _remove_run(directory: Path, *, also_folder: bool) -> None:
    if also_folder:
        shutil.rmtree(directory, ignore_errors=True)
        return
    shutil.rmtree(directory / MODELS, ignore_errors=True)
    for name in (CONFIG, DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
        (directory / name).unlink(missing_ok=True)


def _require_files(config: Config, meta: Mapping[str, str]) -> None:
    """Refuse to go on with a run where a file of what it plugged in, or its trace, is not what it was."""
    recorded = _recorded_plugins(meta)
    current = plugin_digests(config)
    for name in {**recorded, **current}:
        if name not in current:
            raise ConfigError(f"{name} is no longer found: restore it, or run it anew")
        if recorded.get(name, current[name]) != current[name]:
            raise ConfigError(f"{name} has changed since the run began: restore its file, or run it anew")
    data = data_digest(config)
    if meta.get("data", data) != data:
        raise ConfigError(
            f"dataset {config.dataset} holds other data than when the run began: restore it, or run it anew"
        )
    if meta.get("trace", trace_digest(config)) != trace_digest(config):
        raise ConfigError(f"contacts {config.contacts} has changed since the run began: restore it, or run it anew")


def _recorded_plugins(meta: Mapping[str, str]) -> dict[str, str]:
    try:
        recorded = parse_json(meta.get("plugins", "{}"))
        if isinstance(recorded, dict):
            return recorded
    except ValueError:
        pass
    raise ConfigError("what the run says of its plug-ins is damaged: run it anew")


def _require_definition(config: Config, recorded: str | None) -> None:
    """Refuse to go on with a run where its engine would give other results."""
    assert config.backend != "auto"
    here = definition_of(config.backend)
    if recorded is not None and recorded != here:
        raise ConfigError(f"the run was trained by {recorded}, here is {here}: go on with that version, or run it anew")


def require_rules(directory: Path, meta: Mapping[str, str]) -> None:
    """Refuse a run whose validators judged by other rules than there are here, by what its record says.

    Raises:
        ConfigError: if they did.
    """
    recorded = meta.get("rules_version", "1")  # a run from before there was a number
    if recorded != str(RULES_VERSION):
        raise ConfigError(
            f"{directory} was judged by version {recorded} of the rules, here is {RULES_VERSION}: "
            "use the idml that made it, or remove it and run it anew"
        )


def open_ledger(config: Config) -> ControlledLedger | None:
    """The ledger that a configuration names, with fresh contracts; None without an incentive.

    Raises:
        LedgerError: if there is no such EVM or node.
    """
    if not config.incentive:
        return None
    threshold_wei = to_wei(config.stake_threshold)
    if config.rpc is None:
        return EmbeddedLedger(config.evm, rate=TOKENS_PER_COIN, stake_threshold_wei=threshold_wei)
    from idml.ledger.chain.dev import DevLedger  # web3 is slow to import

    return DevLedger(config.rpc, rate=TOKENS_PER_COIN, stake_threshold_wei=threshold_wei)


@contextmanager
def _telling_where(store: RunStore) -> Iterator[None]:
    """Have what fails in a plugged-in file while a run goes on name the file and its line, and how to go on.

    Raises:
        PluginError: in place of what a plugged-in file raised.
    """
    try:
        yield
    except Stopped:
        raise
    except (Exception, SystemExit) as error:
        blamed = blame(error) or (error if isinstance(error, PluginError) else None)
        if blamed is None:
            raise
        hint = ""
        if store.accuracy():
            resume = f"idml run --resume {shlex.quote(str(store.directory))}"
            hint = f" while the run went on; {resume} goes on, unless the file must change"
        raise PluginError(f"{blamed}{hint}") from error


def _blamed(error: BaseException) -> BaseException:
    """The error to raise: if a plugged-in file had part in this one, another that names the file and its line."""
    if isinstance(error, IdmlError | Stopped):
        return error
    blamed = blame(error)
    if blamed is None:
        return error
    blamed.__cause__ = error
    return blamed


def _closing(ledger: ControlledLedger | None) -> AbstractContextManager[object]:
    return closing(ledger) if ledger is not None else nullcontext()


def _look_away(snapshot: Snapshot) -> None:
    del snapshot
