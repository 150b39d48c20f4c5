"""The configuration of a run: every number and every choice has one key, and all are checked before anything starts."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from idml.errors import IdmlError
from idml.learning.data.registry import DATASETS, PARTITIONS
from idml.learning.judging.registry import DEFAULT_RULE, DEFENCES, RULES
from idml.learning.registry import MODELS
from idml.outside import OutsideError, parse_value, read_toml, usable_path
from idml.protocol.task import FULL_BPS, MAX_VOTES, TOKEN_WEI, TaskParams, preset_task
from idml.registry import PluginError, Registry
from idml.simulation.adversaries.registry import ADVERSARIES
from idml.simulation.contacts.registry import EVEN
from idml.simulation.explain import explain

if TYPE_CHECKING:  # what a key names is imported when someone asks for it
    from idml.learning.data.source import DataSource
    from idml.learning.judging.validation import Rule


def _usable(path: str) -> str:
    try:
        usable_path(path)
    except OutsideError as error:
        raise _line(str(error)) from None
    return path


def _exact(tokens: float, info: ValidationInfo) -> float:
    """Refuse an amount that would be rounded; a number with six decimals or fewer is the float next to it."""
    if round(tokens * MICRO) / MICRO != tokens:
        raise _inconsistent(str(info.field_name), tokens, "must be a multiple of 0.000001 tokens")
    return tokens


MICRO = 1_000_000
Share = Annotated[float, Field(ge=0, le=1)]
Tokens = Annotated[float, Field(ge=0, le=1_000_000_000), AfterValidator(_exact)]
Seconds = Annotated[int, Field(ge=1, le=500_000)]
Rate = Annotated[float, Field(gt=0)]
GivenPath = Annotated[str, AfterValidator(_usable)]
"""The path of a file or a folder, which need not be there."""

_REGISTRIES: dict[str, Registry[Any]] = {
    "dataset": DATASETS,
    "partition": PARTITIONS,
    "model": MODELS,
    "rule": RULES,
    "defence": DEFENCES,
}
"""For each key that names a plug-in, where it is looked up. An algorithm may be an object, so it is looked up later."""
_BESIDES = {"dataset": ("auto",), "defence": ("none",)}
"""For each of these keys, words that it accepts in place of a name."""


class ConfigError(IdmlError, ValueError):
    """A configuration cannot be used. The message has one line for each key that is wrong."""

    exit_code = 2


class Config(BaseModel):
    """The configuration of a run. Shares and the tolerance are fractions; amounts are in whole tokens.

    A key that is None follows from others. `idml run` fills all of them in and writes them to the run's `config.toml`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=False, allow_inf_nan=False, coerce_numbers_to_str=True
    )

    # what is learned
    seed: int = Field(1, ge=0, lt=1 << 63, description="every random draw derives from it")
    algorithm: str = Field("oppcl", description="what devices do with each other's models")
    dataset: str = Field(
        "auto",
        description="what is learned; auto: fashion-mnist if it is found, else digits",
    )
    data_dir: GivenPath | None = Field(
        None,
        description="a folder to look for data in first; by default none: data are in $IDML_DATA or the user cache",
    )
    partition: str = Field(
        "iid",
        description="how images are dealt out; dirichlet: see alpha; owners, natural: by whose they are",
    )
    alpha: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        description="of the partition dirichlet, by default 0.5: the smaller, the fewer classes a device has",
    )
    images_per_device: int | None = Field(
        None,
        ge=1,
        description="images that each device draws, possibly the same as others; by default the data set's, or all are "
        "dealt out evenly",
    )
    model: str = Field("small", description="what devices train")
    width: int = Field(16, ge=1, le=512, description="channels of the model's first stage")
    dropout: float | None = Field(
        None, ge=0, lt=1, description="dropout after each pool; by default 0.25 for a cnn, else 0"
    )
    batch: int | None = Field(None, ge=1, description="images in one gradient step; by default the data set's")
    learning_rate: float | None = Field(
        None, gt=0, le=10, description="rate in a device's first encounter; by default the data set's"
    )
    learning_rate_decay: float | None = Field(
        None,
        ge=0,
        le=100,
        description="in the k-th encounter, the rate is learning_rate / (1 + decay (k - 1)); by default the data set's",
    )
    local_epochs: int | None = Field(
        None,
        ge=0,
        le=100,
        description="epochs that a learner trains alone after an encounter; by default the algorithm's",
    )

    # who meets whom
    devices: int = Field(
        50,
        ge=2,
        le=1_000_000,
        description="number of devices, adversaries included; of a trace, all or those who meet most",
    )
    encounters: int | None = Field(
        None, ge=1, description="number of contacts; by default 30 for each device, or the whole trace"
    )
    contacts: str = Field(
        EVEN, description="who meets whom; even: at random, all devices alike; or the FILE of a trace"
    )
    contact_interval_s: Seconds = Field(60, description="simulated time between even contacts")
    link_bytes_s: Rate | None = Field(
        None, description="bytes that a device sends or receives in a second; by default it takes no time"
    )
    compute_images_s: Rate | None = Field(
        None, description="images that a device trains in a second; by default it takes no time"
    )
    heterogeneity: float = Field(
        0.0, ge=0, le=5, description="how much devices differ in both rates: sigma of a log-normal distribution"
    )

    # who cheats, and what learners do against it
    adversaries: dict[str, int] = Field(default_factory=dict, description="a table: NAME = count")
    defence: str = Field("none", description="how a learner screens what it merges, or none")

    # what is paid
    incentive: bool = Field(True, description="false: no ledger, every contribution is merged")
    preset: Literal["safe", "paper"] = Field("safe", description="which rules the task has")
    reward: Tokens = Field(10.0, description="what a learner pays for an encounter, in tokens")
    validators: int = Field(3, ge=1, le=MAX_VOTES, description="votes that settle an encounter (V)")
    committee: int | None = Field(
        None,
        ge=0,
        le=MAX_VOTES,
        description="members that are drawn to vote (K); 0: anyone may vote; by default the preset's",
    )
    quorum: int | None = Field(
        None, ge=1, le=MAX_VOTES, description="the least number of votes that decides anything; by default the preset's"
    )
    rule: str | None = Field(
        None,
        description="how a validator judges; by default paper under the preset paper, else loss",
    )
    goal: Literal["all", "own"] = Field(
        "all", description="which classes a learner cares for, under the rule balanced: all alike, or its own"
    )
    tolerance: Share | None = Field(
        None,
        description="how much worse a model may get and still be accepted (tau); by default the rule's, for the data",
    )
    validation_images: int = Field(
        200, ge=1, le=65_535, description="images that a validator scores, drawn from its own"
    )
    neighbor_share: Share = Field(
        0.8, description="the neighbor's share of the reward (p_n); validators share the rest"
    )
    good_faith_share: Share | None = Field(
        None,
        description="the neighbor's share of the reward, if the encounter ends incomplete (g); by default the preset's",
    )
    no_vote_share: Share | None = Field(
        None, description="the neighbor's share of the reward, if too few vote; by default the preset's"
    )
    reject_pot_share: Share | None = Field(
        None, description="the validators' share of a rejected neighbor's penalty; by default the preset's"
    )
    tie: Literal["accept", "reject"] = Field("accept", description="what as many yes as no votes lead to")
    completion_window_s: Seconds = Field(3_600, description="how long each report may take")
    voting_window_s: Seconds = Field(50_000, description="how long the votes may take")
    tokens: Tokens = Field(1_000_000.0, description="tokens that each device buys")
    stake: Tokens = Field(200.0, description="tokens that each device stakes")
    stake_target: Tokens | None = Field(
        None, description="rewards go to the stake while it is below this; by default 200 under safe, 0 under paper"
    )
    stake_threshold: Tokens = Field(100.0, description="the least stake that a neighbor or validator needs")

    # how it is run
    evm: Literal["auto", "pyevm", "pyrevm"] = Field(
        "auto", description="which embedded EVM; auto: the fastest one that is installed"
    )
    rpc: str | None = Field(
        None, description="URL of a development node (Anvil, Ganache); by default the embedded EVM is used"
    )
    baseline_devices: int = Field(
        3, ge=0, description="devices that train alone, for the baseline in the report; 0: none"
    )
    test_images: int | None = Field(
        None,
        ge=1,
        description="test images on which each device is measured, whenever it is, and alone as well; by default as "
        "many as cost a twentieth of the run, few on the way",
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=1_024,
        description="processes that train; by default 1, on Ray one for each CPU; results are equal",
    )
    backend: Literal["auto", "native", "torch"] = Field(
        "auto", description="what computes the networks, each with its own results; auto: native if it is built"
    )
    executor: Literal["processes", "ray", "cuda"] = Field(
        "processes", description="who trains: processes here, a Ray cluster, or a GPU (its results differ by rounding)"
    )
    ray_address: str | None = Field(None, description="HOST:PORT of a Ray cluster; by default one is made for the run")
    checkpoint_s: int = Field(
        60,
        ge=0,
        le=1_000_000,
        description="seconds between checkpoints, more if they take over 2 % of the time; 0: after each contact",
    )
    threads: int = Field(
        1,
        ge=1,
        le=256,
        description="PyTorch's threads in a process; other numbers give other results; the native engine has 1",
    )

    @field_validator(*_REGISTRIES)
    @classmethod
    def _named(cls, name: str | None, info: ValidationInfo) -> str | None:
        """Check that the value of a key is a name that can be found. What it names is loaded later."""
        assert info.field_name is not None
        try:
            if name is not None:
                _REGISTRIES[info.field_name].require(name, besides=_BESIDES.get(info.field_name, ()))
        except PluginError as error:
            raise _line(str(error)) from None
        return name

    @field_validator("adversaries")
    @classmethod
    def _adversaries_named(cls, counts: dict[str, int]) -> dict[str, int]:
        """Check that the name of each adversary can be found."""
        try:
            for name in counts:
                ADVERSARIES.require(name)
        except PluginError as error:
            raise _line(str(error)) from None
        return counts

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
        """Check what depends on more than one key."""
        if self.rpc is not None and not self.incentive:
            raise _inconsistent("rpc", self.rpc, "leave it out where incentive is false: such a run has no ledger")
        if self.incentive and self.devices == 2:
            raise _inconsistent("devices", 2, "nobody is left to judge: give at least 3, or set incentive to false")
        if self.incentive and self.devices < self.validators + 2:
            raise _inconsistent(
                "validators",
                self.validators,
                f"with {self.devices} devices at most {self.devices - 2}: learner and neighbor do not judge themselves",
            )
        for name, count in self.adversaries.items():
            if not 0 <= count < self.devices:
                raise _inconsistent(
                    f"adversaries.{name}", count, f"must be between 0 and {self.devices - 1}, below devices"
                )
        if sum(self.adversaries.values()) >= self.devices:
            raise _inconsistent(
                "adversaries", sum(self.adversaries.values()), f"must leave an honest one among {self.devices} devices"
            )
        if self.committee and self.committee < self.validators:
            raise _inconsistent("committee", self.committee, f"must be 0 or at least validators ({self.validators})")
        if self.quorum is not None and self.quorum > self.validators:
            raise _inconsistent("quorum", self.quorum, f"must be at most validators ({self.validators})")
        for name in ("tolerance", "neighbor_share", "good_faith_share", "no_vote_share", "reject_pot_share"):
            share = getattr(self, name)
            if share is not None and abs(share * FULL_BPS - round(share * FULL_BPS)) > 1e-6:
                raise _inconsistent(name, share, "must be a multiple of 0.0001 (one basis point)")
        if self.alpha is not None and self.partition != "dirichlet":
            raise _inconsistent("alpha", self.alpha, "only the partition 'dirichlet' takes it")
        if self.ray_address is not None and self.executor != "ray":
            raise _inconsistent("ray_address", self.ray_address, "only the executor 'ray' goes there")
        if self.ray_address is not None and not re.fullmatch(r"[^/\s]+:[0-9]{1,5}", self.ray_address):
            raise _inconsistent("ray_address", self.ray_address, "must be HOST:PORT, as `ray start --head` prints it")
        if self.backend == "native" and self.executor == "cuda":
            raise _inconsistent("backend", self.backend, "leave it out: the executor 'cuda' trains with PyTorch")
        if self.stake > self.tokens:
            raise _inconsistent("stake", self.stake, f"must be at most tokens ({self.tokens:g})")
        if self.incentive and self.stake < self.stake_threshold:
            raise _inconsistent("stake", self.stake, f"must be at least stake_threshold ({self.stake_threshold:g})")
        affordable = min(self.stake, self.tokens - self.stake)
        if self.incentive and self.reward > affordable:
            raise _inconsistent("reward", self.reward, f"must be at most stake and tokens - stake ({affordable:g})")
        try:
            self.task()
        except ValueError as error:
            raise _line(str(error)) from None
        return self

    @property
    def contact_count(self) -> int:
        """Number of contacts in the run."""
        return self.encounters if self.encounters is not None else 30 * self.devices

    @property
    def target_wei(self) -> int:
        """The target of each device's stake, in base units: rewards go to the stake while it is below this."""
        target = self.stake_target if self.stake_target is not None else 200.0 if self.preset == "safe" else 0.0
        return to_wei(target)

    @property
    def judged_by(self) -> "Rule":
        """The rule by which validators judge.

        Raises:
            PluginError: if there is no such rule, or one of its attributes is not as it must be.
        """
        rule = RULES.find(self.rule_name)
        if not RULES.ships(rule):
            from idml.learning.judging.checker import check_rule_traits

            with RULES.naming_errors(self.rule_name):
                check_rule_traits(rule)
        return rule

    @property
    def rule_name(self) -> str:
        """Name of the rule. By default it is the paper's under the preset `paper`, and else the one that errs least."""
        return self.rule or ("paper" if self.preset == "paper" else DEFAULT_RULE)

    @property
    def source(self) -> "DataSource | None":
        """The data set, before its data are loaded; None if it is still to be chosen (`auto`).

        Raises:
            PluginError: if there is no data set of this name, or one of its attributes is not as it must be.
        """
        if self.dataset == "auto":
            return None
        source = DATASETS.find(self.dataset)
        if not DATASETS.ships(source):
            from idml.learning.data.checker import check_traits

            with DATASETS.naming_errors(self.dataset):
                check_traits(source)
        return source

    @property
    def tolerance_bps(self) -> int:
        """How much worse a model may get and still be accepted, in basis points."""
        return _bps(self.judged_by.tolerance_on(self.source) if self.tolerance is None else self.tolerance)

    def task(self) -> TaskParams:
        """The rules of the task, as the contract gets them."""
        task = preset_task(
            self.preset,
            votes=self.validators,
            neighbor_share_bps=_bps(self.neighbor_share),
            tolerance_bps=self.tolerance_bps,
            validation_images=self.validation_images,
            completion_window_s=self.completion_window_s,
            voting_window_s=self.voting_window_s,
        )
        changes: dict[str, Any] = {"tie_accepts": self.tie == "accept", "metric": self.judged_by.metric}
        for field, share in (
            ("good_faith_bps", self.good_faith_share),
            ("no_vote_bps", self.no_vote_share),
            ("reject_pot_bps", self.reject_pot_share),
        ):
            if share is not None:
                changes[field] = _bps(share)
        if self.committee is not None:
            changes["committee_size"] = self.committee
        if self.quorum is not None:
            changes["quorum"] = self.quorum
        return TaskParams(**{**{name: getattr(task, name) for name in task.__slots__}, **changes})

    def to_toml(self) -> str:
        """Write the configuration as TOML. Keys that are None are left out."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))


def load_config(path: Path | None = None, settings: Sequence[str] = (), **overrides: Any) -> Config:
    """Read a configuration from a TOML file, from `key=value` settings and from keywords.

    Settings go before what the file says, and keywords before both.

    Args:
        path: a TOML file; None for the defaults.
        settings: settings as on the command line, for instance "devices=30" or "adversaries.label_flip=6".
        overrides: values by key.

    Raises:
        ConfigError: if a value is wrong. Its message has one line for each: the key, the value and the valid range.
        TraceError: if `contacts` names no trace.
    """
    return make_config({**read_values(path, settings), **overrides})


def read_values(path: Path | None, settings: Sequence[str]) -> dict[str, Any]:
    """Read a TOML file and `key=value` settings, without checking the values; see `load_config`."""
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = read_toml(path)
        except OutsideError as error:
            raise ConfigError(str(error)) from None
    for setting in settings:
        _apply(values, setting)
    return values


def make_config(values: Mapping[str, Any]) -> Config:
    """Check values and make a `Config` of them.

    If contacts follow a trace, `devices` and `encounters` are taken from the trace where they are not given.

    Raises:
        ConfigError: if a value is wrong. Its message has one line for each.
        TraceError: if `contacts` names no trace.
    """
    values = without_auto(values)
    try:
        return Config.model_validate({**values, **_of_trace(values)})
    except ValidationError as error:
        lines = [explain(problem, Config.model_fields) for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def without_auto(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the keys whose value is "auto", where that means what it means to leave them out.

    Args:
        values: values by key.
    """
    fields = Config.model_fields
    return {
        key: value
        for key, value in values.items()
        if not (isinstance(value, str) and value == "auto" and key in fields and fields[key].default is None)
    }


def _of_trace(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that are not set and follow from a trace."""
    name = values.get("contacts")
    missing = [key for key in ("devices", "encounters") if values.get(key) is None]
    if not missing or not isinstance(name, str) or name == EVEN:
        return {}
    from idml.simulation.contacts.sources import find_trace
    from idml.simulation.traces import most_met

    trace = find_trace(name)
    if trace is None:
        return {}
    devices = values.get("devices")
    if isinstance(devices, int) and 2 <= devices < len(trace.devices):
        trace = most_met(trace, devices)
    follows = {"devices": len(trace.devices), "encounters": len(trace)}
    return {key: follows[key] for key in missing}


def to_wei(tokens: float) -> int:
    """Turn whole tokens into base units, exactly to a millionth of a token."""
    return round(tokens * MICRO) * (TOKEN_WEI // MICRO)


def _bps(share: float) -> int:
    return round(share * FULL_BPS)


def _apply(values: dict[str, Any], setting: str) -> None:
    key, separator, text = setting.partition("=")
    path = key.strip().split(".", 1)  # what comes after a table's name may be a file's
    if not separator or not all(path):
        raise ConfigError(f"--set {setting!r}: write it as key=value")
    value = parse_value(text)
    for part in path[:-1]:
        nested = values.setdefault(part, {})
        if not isinstance(nested, dict):
            raise ConfigError(f"--set {setting!r}: {part} is no table")
        values = nested
    values[path[-1]] = value


def _inconsistent(key: str, value: object, valid: str) -> PydanticCustomError:
    return _line(f"{key} is {value!r}: {valid}")


def _line(line: str) -> PydanticCustomError:
    # A name need be no text, and pydantic takes texts alone.
    return PydanticCustomError("inconsistent", "{line}", {"line": line.encode("utf-8", "backslashreplace").decode()})
