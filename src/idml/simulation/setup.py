"""From a configuration to devices with data, models and keys."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idml.adapters.base import Adapter
from idml.adapters.keys import draw_seed
from idml.adapters.means import LocalData, Settings
from idml.adapters.registry import name_adapter
from idml.learning.architectures import Architecture, find_architecture
from idml.learning.arrays import Indices
from idml.learning.backends import Backend, make_engine, why_not_native
from idml.learning.data.datasets import CLASSES, IMAGE_SHAPES, Dataset, find_dataset, load_dataset
from idml.learning.data.partition import by_owner, draw_owners, partition
from idml.learning.engine import prepare
from idml.learning.errors import LearningError
from idml.ledger.wallet import Wallet
from idml.protocol.task import FULL_BPS, TOKEN_WEI
from idml.simulation.adversaries import ADVERSARIES, Participant
from idml.simulation.config import Config, ConfigError
from idml.simulation.contacts import Contact, even_contacts, find_trace, trace_contacts
from idml.simulation.devices import Device
from idml.simulation.model import Model
from idml.simulation.timing import ExchangeStage, Timing
from idml.simulation.traces import Trace, most_met

# Measured with the small network: what lets each data set learn steadily, so that honest work is rarely rejected. A
# device of digits draws 300 of the 1,437 images, shared between devices: 29 of its own would teach a model next to
# nothing, and on so few a single image is a step of 3 %.
_DEFAULTS: dict[str, dict[str, float]] = {
    "digits": {"batch": 4, "learning_rate": 0.05, "learning_rate_decay": 0.5, "images_per_device": 300},
    "fashion-mnist": {"batch": 16, "learning_rate": 0.05, "learning_rate_decay": 0.05},
    "cifar10": {"batch": 16, "learning_rate": 0.05, "learning_rate_decay": 0.05},
    "hapt": {"batch": 16, "learning_rate": 0.05, "learning_rate_decay": 0.05},
}


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
        trace: whom they meet; None for random contacts.
        test_shares: positions of the test images that are each device's own; None where all are everybody's.
    """

    config: Config
    dataset: Dataset
    settings: Settings
    devices: list[Device]
    wallets: list[Wallet]
    timing: Timing
    trace: Trace | None
    test_shares: Sequence[Indices] | None = None

    def contacts(self) -> Iterator[Contact]:
        """Who meets whom, in the order of time."""
        config = self.config
        if self.trace is not None:
            return trace_contacts(self.trace, config.contact_count, config.seed)
        return even_contacts(config.devices, config.contact_count, config.seed, interval_s=config.contact_interval_s)

    def broken_off(self, contact: Contact) -> ExchangeStage | None:
        """At which stage of the exchange a contact ends, if it ends too early."""
        return self.timing.exchange(contact.learner, contact.neighbor).broken_off(contact.duration_s)


def resolve(config: Config, adapter: Adapter) -> Config:
    """Fill in the keys that follow from others, so that the run's `config.toml` says all.

    Raises:
        ConfigError: if there is no such `data_dir`, or the native engine cannot be had.
    """
    data_dir = Path(config.data_dir) if config.data_dir else None
    if data_dir is not None and not data_dir.is_dir():
        raise ConfigError(f"data_dir is {config.data_dir!r}: there is no such folder")
    name = config.dataset
    if name == "auto":
        name = "fashion-mnist" if find_dataset("fashion-mnist", data_dir) else "digits"
    defaults = {
        **_DEFAULTS[name],
        "local_epochs": adapter.default_local_epochs,
        "dropout": 0.25 if config.model.startswith("cnn") else 0.0,
    }
    task = config.task()
    changes: dict[str, object] = {
        "algorithm": name_adapter(adapter),
        "dataset": name,
        "encounters": config.contact_count,
        "stake_target": config.target_wei / TOKEN_WEI,
        "committee": task.committee_size,
        "quorum": task.quorum,
        "rule": config.judged_by.name,
        "tolerance": task.tolerance_bps / FULL_BPS,
        "workers": 1 if config.workers is None and config.executor == "processes" else config.workers,
        "good_faith_share": task.good_faith_bps / FULL_BPS,
        "no_vote_share": task.no_vote_bps / FULL_BPS,
        "reject_pot_share": task.reject_pot_bps / FULL_BPS,
    }
    changes |= {key: value for key, value in defaults.items() if getattr(config, key) is None}
    resolved = config.model_copy(update=changes)
    return resolved.model_copy(update={"backend": _choose_backend(resolved)})


def _choose_backend(config: Config) -> Backend:
    """The engine that a configuration asks for, or the best that is to be had, with a line of notice if it is slow."""
    if config.backend == "torch" or config.executor == "cuda":
        return "torch"
    problem = why_not_native(architecture(config))
    if problem is None:
        return "native"
    if config.backend == "native":
        raise ConfigError(f"backend is 'native': {problem}")
    print(f"idml: {problem}; PyTorch trains instead, several times slower", file=sys.stderr)
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
    trace = _matching_trace(config)
    dataset = load_dataset(config.dataset, Path(config.data_dir) if config.data_dir else None)
    assert config.backend != "auto"
    engine = make_engine(config.backend, architecture(config), threads=config.threads)
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
        dataset=dataset.name,
        classes=dataset.classes,
        own_goal=config.goal == "own",
        defence=None if config.defence == "none" else config.defence,
    )
    shares, test_shares = _deal(config, dataset)
    start = Model.of(engine.initial(draw_seed(config.seed, "initial")), engine.layout)
    images = prepare(dataset.train_images)
    wallets = [Wallet.from_seed(config.seed, index) for index in range(config.devices)]
    devices = []
    for index, participant in enumerate(cast_parts(config)):
        own = shares[index]
        devices.append(
            Device(index, wallets[index].address, participant, LocalData(images, own, dataset.train_labels[own]), start)
        )
    return World(config, dataset, settings, devices, wallets, Timing.of(config, devices, settings), trace, test_shares)


def _deal(config: Config, dataset: Dataset) -> tuple[list[Indices], list[Indices] | None]:
    """The training images of each device, and the test images where they are its own."""
    seed, size = draw_seed(config.seed, "partition"), config.images_per_device
    try:
        if config.partition != "natural":
            labels, kind = dataset.train_labels, config.partition
            shared = size is not None
            return partition(
                labels, devices=config.devices, kind=kind, seed=seed, images_per_device=size, share=shared
            ), None
        if dataset.train_owners is None or dataset.test_owners is None:
            raise LearningError("nobody says whose its images are: choose iid or two-class, or the data set hapt")
        persons = draw_owners(dataset.train_owners, devices=config.devices, seed=seed)
        own = by_owner(dataset.train_owners, persons, seed=seed, images_per_device=size)
        return own, by_owner(dataset.test_owners, persons, seed=seed)
    except LearningError as error:
        raise ConfigError(f"{config.dataset} cannot be dealt out to {config.devices} devices: {error}") from None


def _matching_trace(config: Config) -> Trace | None:
    trace = find_trace(config.contacts)
    if trace is None:
        return None
    if len(trace.devices) < config.devices:
        raise ConfigError(
            f"devices is {config.devices}: {config.contacts} has {len(trace.devices)}; leave the key out, or "
            f"generate a trace of {config.devices} with idml traces generate"
        )
    count, trace = len(trace.devices), most_met(trace, config.devices)
    if len(trace) < config.contact_count:
        among = f" among {config.devices} devices" if len(trace.devices) < count else ""
        raise ConfigError(f"encounters is {config.contact_count}: {config.contacts} has {len(trace)} contacts{among}")
    return trace


def architecture(config: Config) -> Architecture:
    """The network that a resolved configuration names."""
    return find_architecture(
        config.model,
        image_shape=IMAGE_SHAPES[config.dataset],
        classes=CLASSES[config.dataset],
        width=config.width,
        dropout=config.dropout or 0.0,
    )


def cast_parts(config: Config) -> list[Participant]:
    """Decide by the seed which devices are adversaries."""
    parts = [Participant() for _ in range(config.devices)]
    places = np.random.default_rng(draw_seed(config.seed, "adversaries")).permutation(config.devices)
    kinds = [kind for kind, count in sorted(config.adversaries.items()) for _ in range(count)]
    for place, kind in zip(places, kinds, strict=False):
        parts[place] = ADVERSARIES[kind]()
    return parts
