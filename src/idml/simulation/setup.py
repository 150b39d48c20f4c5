"""From a configuration to devices with data, models and keys."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from idml.adapters.base import Adapter
from idml.adapters.keys import draw_seed
from idml.adapters.means import LocalData, Settings
from idml.adapters.registry import ALGORITHMS
from idml.learning.architectures import Architecture
from idml.learning.arrays import Indices
from idml.learning.backends import Backend, engine_in_words, make_engine, why_not_native, why_not_torch
from idml.learning.data.arrays import ArraySource
from idml.learning.data.checker import check_partition
from idml.learning.data.datasets import Dataset, load_dataset
from idml.learning.data.partition import Shares, deal_out
from idml.learning.data.partitions import DEFAULT_ALPHA, Dirichlet
from idml.learning.data.registry import DATASETS, PARTITIONS
from idml.learning.data.source import DataSource
from idml.learning.engine import prepare
from idml.learning.errors import LearningError
from idml.learning.judging.registry import DEFENCES, RULES
from idml.learning.networks import Blueprint, draw_blueprint
from idml.learning.registry import MODELS
from idml.ledger.wallet import Wallet
from idml.protocol.task import FULL_BPS, TOKEN_WEI
from idml.registry import PluginError, Registry
from idml.simulation.adversaries.base import Participant
from idml.simulation.adversaries.registry import ADVERSARIES
from idml.simulation.config import Config, ConfigError
from idml.simulation.contacts import Contact, ContactSource
from idml.simulation.contacts.registry import CONTACTS, names_source
from idml.simulation.contacts.sources import TraceContacts, find_trace
from idml.simulation.devices import Device
from idml.simulation.model import Model
from idml.simulation.timing import ExchangeStage, Timing
from idml.simulation.traces import most_met

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class World:
    """All that a run starts from.

    Args:
        config: with every key that followed from others filled in.
        dataset: the images.
        settings: what devices have in common.
        devices: in the order of their numbers.
        wallets: likewise.
        timing: how long an exchange takes them.
        contact_source: says who meets whom.
        test_shares: positions of the test images that are each device's own; None where all are everybody's.
    """

    config: Config
    dataset: Dataset
    settings: Settings
    devices: list[Device]
    wallets: list[Wallet]
    timing: Timing
    contact_source: ContactSource
    test_shares: Sequence[Indices] | None = None

    def contacts(self) -> Iterator[Contact]:
        """Who meets whom, in the order of time."""
        config = self.config
        count, interval_s = config.contact_count, config.contact_interval_s
        return islice(self.contact_source.contacts(config.devices, count, config.seed, interval_s), count)

    def broken_off(self, contact: Contact) -> ExchangeStage | None:
        """At which stage of the exchange a contact ends, if it ends too early."""
        return self.timing.exchange(contact.learner, contact.neighbor).broken_off(contact.duration_s)


def resolve(config: Config, adapter: Adapter) -> Config:
    """Fill in the keys that follow from others, so that the run's `config.toml` says all.

    Raises:
        ConfigError: if there is no such `data_dir`, or the native engine cannot be had.
    """
    data_dir = Path(config.data_dir) if config.data_dir else None
    if data_dir is not None and not os.path.isdir(data_dir):
        raise ConfigError(f"data_dir is {config.data_dir!r}: there is no such folder")
    config = _choose_dataset(config)
    defaults = {
        **asdict(_source(config).defaults),
        "local_epochs": adapter.default_local_epochs,
        "dropout": MODELS.find(config.model).default_dropout,
    }
    task = config.task()
    changes: dict[str, object] = {
        "algorithm": ALGORITHMS.naming(adapter),
        "encounters": config.contact_count,
        "stake_target": config.target_wei / TOKEN_WEI,
        "committee": task.committee_size,
        "quorum": task.quorum,
        "rule": config.rule_name,
        "tolerance": task.tolerance_bps / FULL_BPS,
        "workers": 1 if config.workers is None and config.executor == "processes" else config.workers,
        "good_faith_share": task.good_faith_bps / FULL_BPS,
        "no_vote_share": task.no_vote_bps / FULL_BPS,
        "reject_pot_share": task.reject_pot_bps / FULL_BPS,
    }
    if config.partition == "dirichlet":
        defaults["alpha"] = DEFAULT_ALPHA
    changes |= {key: value for key, value in defaults.items() if getattr(config, key) is None}
    resolved = config.model_copy(update=changes)
    return resolved.model_copy(update={"backend": _choose_backend(resolved)})


def _choose_dataset(config: Config) -> Config:
    """The configuration with the name of a data set in place of "auto"."""
    if config.dataset != "auto":
        return config
    return config.model_copy(update={"dataset": "fashion-mnist" if why_digits(config) is None else "digits"})


def why_digits(config: Config) -> str | None:
    """Why "auto" takes the digits, in a line; None if it does not."""
    if config.dataset != "auto":
        return None
    missing = DATASETS.find("fashion-mnist").why_not_there(Path(config.data_dir) if config.data_dir else None)
    return None if missing is None else f"dataset: digits, because {missing}"


def _choose_backend(config: Config) -> Backend:
    """The engine that a configuration asks for, or the best that is to be had, with a line of notice if it is slow."""
    if config.backend == "torch" or config.executor == "cuda":
        return _torch(f"executor is '{config.executor}'" if config.executor == "cuda" else "backend is 'torch'")
    network = blueprint(config)
    problem = why_not_native(network)
    if problem is None:
        return "native"
    if config.backend == "native":
        raise ConfigError(f"backend is 'native': {problem}")
    _torch(problem)
    if not isinstance(network, Architecture):  # its author knows what trains it
        return "torch"
    _LOG.warning("%s; PyTorch trains instead, several times slower", problem)
    return "torch"


def engine_line(config: Config) -> str:
    """Which engine computes the network of a resolved configuration, and why, in one line."""
    assert config.backend != "auto"
    asked = "executor is 'cuda'" if config.executor == "cuda" else "backend is 'torch'"
    return engine_in_words(config.backend, blueprint(config), config.model, asked)


def _torch(why: str) -> Backend:
    """PyTorch, if it is there.

    Args:
        why: it has to be PyTorch.

    Raises:
        ConfigError: it is not.
    """
    if (problem := why_not_torch()) is not None:
        raise ConfigError(f"{why}; {problem}")
    return "torch"


def build_world(config: Config, adapter: Adapter) -> World:
    """Load the data and make the devices.

    Args:
        config: a resolved one.
        adapter: the algorithm.

    Raises:
        DataError: if the data set is missing or damaged.
        ConfigError: if there is not enough data for the devices, or the trace has not as many.
        TraceError: if the trace cannot be read.
    """
    contacts = _contact_source(config)
    participants = cast_parts(config)
    _try_poisons(config)
    dataset = load_dataset(config.dataset, Path(config.data_dir) if config.data_dir else None)
    assert config.backend != "auto"
    engine = make_engine(config.backend, blueprint(config), threads=config.threads)
    assert config.batch is not None
    assert config.learning_rate is not None
    assert config.learning_rate_decay is not None
    assert config.local_epochs is not None
    settings = Settings(
        seed=config.seed,
        engine=engine,
        adapter=adapter,
        rule=config.judged_by,
        learning_rate=config.learning_rate,
        learning_rate_decay=config.learning_rate_decay,
        batch=config.batch,
        local_epochs=config.local_epochs,
        validation_images=config.validation_images,
        tolerance_bps=config.tolerance_bps,
        source=dataset.source,
        own_goal=config.goal == "own",
        defence=None if config.defence == "none" else DEFENCES.find(config.defence),
    )
    shares = deal(config, dataset)
    start = Model.of(engine.initial(draw_seed(config.seed, "initial")), engine.layout)
    images = prepare(dataset.train_images)
    wallets = [Wallet.from_seed(config.seed, index) for index in range(config.devices)]
    devices = []
    for index, participant in enumerate(participants):
        own = shares.train[index]
        devices.append(
            Device(index, wallets[index].address, participant, LocalData(images, own, dataset.train_labels[own]), start)
        )
    timing = Timing.of(config, devices, settings)
    return World(config, dataset, settings, devices, wallets, timing, contacts, shares.test)


def deal(config: Config, dataset: Dataset) -> Shares:
    """The training images of each device, and the test images where they are its own.

    Args:
        config: a resolved one.
        dataset: its data set.

    Raises:
        PluginError: the partition does not do what it must.
        ConfigError: the data set cannot be dealt out like this.
    """
    partition = PARTITIONS.find(config.partition) if config.alpha is None else Dirichlet(config.alpha)
    devices, size = config.devices, config.images_per_device
    try:
        if not PARTITIONS.ships(partition):
            check_partition(partition, dataset, devices=devices, images_per_device=size)
        seed = draw_seed(config.seed, "partition")
        return deal_out(partition, dataset, devices=devices, seed=seed, images_per_device=size)
    except PluginError as error:
        with PARTITIONS.naming_errors(config.partition):
            raise error
    except LearningError as error:
        raise ConfigError(f"{config.dataset} cannot be dealt out to {devices} devices: {error}") from None


def _try_poisons(config: Config) -> None:
    """Have each adversary poison an image, to hear now if it cannot do so to this data set."""
    source = _source(config)
    image, label = np.zeros((1, *source.image_shape), np.float32), np.zeros(1, np.int64)
    for name, adversary in _adversaries(config).items():
        try:
            if adversary.poison is not None:
                adversary.poison.apply(image, label, source)
        except LearningError as error:
            raise ConfigError(f"adversaries.{name} is {config.adversaries[name]}: {error}") from None


def _contact_source(config: Config) -> ContactSource:
    """Who meets whom: as the configuration names it, or a trace with devices and contacts enough."""
    trace = find_trace(config.contacts)
    if trace is None:
        return CONTACTS.find(config.contacts)
    if len(trace.devices) < config.devices:
        raise ConfigError(
            f"devices is {config.devices}: {config.contacts} has {len(trace.devices)}; leave the key out, or "
            f"generate a trace of {config.devices} with idml traces generate"
        )
    count, trace = len(trace.devices), most_met(trace, config.devices)
    if len(trace) < config.contact_count:
        among = f" among {config.devices} devices" if len(trace.devices) < count else ""
        raise ConfigError(f"encounters is {config.contact_count}: {config.contacts} has {len(trace)} contacts{among}")
    return TraceContacts(trace)


def blueprint(config: Config) -> Blueprint:
    """Of the network that a resolved configuration names."""
    source, network = _source(config), MODELS.find(config.model)
    if source.kind not in network.kinds:
        suited = (name for name in MODELS.built_in if source.kind in MODELS.find(name).kinds)
        raise ConfigError(
            f"model is {config.model!r}: it takes {' or '.join(network.kinds)}, and {config.dataset} holds "
            f"{source.kind}; choose {' or '.join(suited)}"
        )
    return draw_blueprint(
        network,
        image_shape=source.image_shape,
        classes=source.classes,
        width=config.width,
        dropout=config.dropout or 0.0,
        vocabulary=source.vocabulary,
    )


def _source(config: Config) -> DataSource:
    """The data set of a configuration that has chosen one."""
    source = config.source
    assert source is not None
    return source


def cast_parts(config: Config) -> list[Participant]:
    """Decide by the seed which devices are adversaries."""
    parts = [Participant() for _ in range(config.devices)]
    places = np.random.default_rng(draw_seed(config.seed, "adversaries")).permutation(config.devices)
    adversaries = _adversaries(config)
    names = [name for name, count in sorted(config.adversaries.items()) for _ in range(count)]
    for place, name in zip(places, names, strict=False):
        parts[place] = adversaries[name]
    return parts


def _adversaries(config: Config) -> dict[str, Participant]:
    """The adversaries that take part, by their names in the configuration. Equal ones need be one object only."""
    adversaries = {name: ADVERSARIES.find(name) for name, count in config.adversaries.items() if count}
    names: dict[str, str] = {}
    for name, adversary in adversaries.items():
        if names.setdefault(adversary.kind, name) != name:
            raise ConfigError(
                f"adversaries {names[adversary.kind]} and {name} have one kind, {adversary.kind!r}: give one another"
            )
    return adversaries


def named_things(config: Config) -> Iterator[tuple[Registry[Any], str]]:
    """All that a configuration names and that can be plugged in: where it is found, and its name."""
    yield ALGORITHMS, config.algorithm
    if config.dataset != "auto":
        yield DATASETS, config.dataset
    yield PARTITIONS, config.partition
    yield MODELS, config.model
    if config.rule is not None:
        yield RULES, config.rule
    if config.defence != "none":
        yield DEFENCES, config.defence
    for name in config.adversaries:
        yield ADVERSARIES, name
    if names_source(config.contacts):
        yield CONTACTS, config.contacts


def check_plugins(config: Config) -> None:
    """Check what a configuration names and what does not ship, before a run is begun.

    Two are checked elsewhere: the algorithm, as it may be given as an object, and the partition, once there are data.

    Args:
        config: need not be resolved.

    Raises:
        PluginError, DataError, LearningError: what is wrong first, in one line.
    """
    config = _choose_dataset(config)
    source = _source(config)
    details: dict[Registry[Any], dict[str, object]] = {
        DATASETS: {"data_dir": Path(config.data_dir) if config.data_dir else None},
        MODELS: {
            "image_shape": source.image_shape,
            "classes": source.classes,
            "width": config.width,
            "dropout": config.dropout,
            "learning_rate": config.learning_rate or source.defaults.learning_rate,
            "devices": config.devices,
            "vocabulary": source.vocabulary,
        },
        ADVERSARIES: {"source": source},
        CONTACTS: {
            "devices": config.devices,
            "count": config.contact_count,
            "seed": config.seed,
            "interval_s": config.contact_interval_s,
        },
    }
    for registry, name in named_things(config):
        if registry not in (ALGORITHMS, PARTITIONS):
            registry.find_checked(name, **details.get(registry, {}))


def plugin_digests(config: Config) -> dict[str, str]:
    """What a configuration names and what does not ship: the SHA-256 of the files in which it stands, hexadecimal.

    Returns:
        By kind and name, such as "dataset my_file.py:MyData", and by what that file imports: see `Registry.digests`.
    """
    digests: dict[str, str] = {}
    for registry, name in named_things(config):
        # An algorithm given as an object may have a name by which nothing is found.
        if registry.knows(name):
            digests |= registry.digests(name)
    return digests


def data_digest(config: Config) -> str | None:
    """SHA-256 of the data of a configuration whose data set was made of arrays; None for any other."""
    source = config.source
    return source.digest if isinstance(source, ArraySource) else None
