"""What a run is: every number and choice under one key, checked before anything starts."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from idml.learning.judging.validation import DEFAULT_RULE, Rule, find_rule, rule_names
from idml.protocol.task import FULL_BPS, MAX_VOTES, TOKEN_WEI, TaskParams, preset_task
from idml.simulation.contacts import EVEN, find_trace
from idml.simulation.explain import explain
from idml.simulation.traces import most_met

Share = Annotated[float, Field(ge=0, le=1)]
Tokens = Annotated[float, Field(ge=0, le=1_000_000_000)]
Seconds = Annotated[int, Field(ge=1, le=500_000)]
Rate = Annotated[float, Field(gt=0)]


class ConfigError(ValueError):
    """A configuration that cannot run: one line for each key that is wrong."""


class Config(BaseModel):
    """A run's configuration. Shares and the tolerance are fractions, token amounts are in whole tokens.

    Keys that are None follow from others; `idml run` writes them out, resolved, into the run's `config.toml`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=False, allow_inf_nan=False, coerce_numbers_to_str=True
    )

    # what is learned
    seed: int = Field(1, ge=0, lt=1 << 63, description="every random draw derives from it")
    algorithm: str = Field("oppcl", description="gossip, oppcl, or FILE.py:CLASS for one of your own")
    dataset: Literal["auto", "fashion-mnist", "cifar10", "hapt", "digits"] = Field(
        "auto", description="auto: fashion-mnist if it is found, else digits"
    )
    data_dir: str | None = Field(None, description="where to look for data first; else $IDML_DATA, the user cache")
    partition: Literal["iid", "two-class", "natural"] = Field(
        "iid", description="how training images are spread over devices; natural: each is one person of hapt"
    )
    images_per_device: int | None = Field(
        None, ge=1, description="drawn by each device, images may be shared; by default all are dealt out evenly"
    )
    model: Literal["linear", "small", "cnn6", "cnn10", "cnn14"] = Field("small", description="what devices train")
    width: int = Field(16, ge=1, le=512, description="channels of its first stage")
    dropout: float | None = Field(None, ge=0, lt=1, description="after each pool; by default 0.25 for a cnn, else 0")
    batch: int | None = Field(None, ge=1, description="images a step")
    learning_rate: float | None = Field(None, gt=0, le=10, description="of a device's first encounter")
    learning_rate_decay: float | None = Field(None, ge=0, le=100, description="rate / (1 + decay (k - 1)) at the k-th")
    local_epochs: int | None = Field(None, ge=0, le=100, description="own epochs after an encounter; None: algorithm's")

    # who meets whom
    devices: int = Field(
        50,
        ge=2,
        le=1_000_000,
        description="participants, adversaries too; of a trace: all, or those who meet most",
    )
    encounters: int | None = Field(None, ge=1, description="contacts; by default 30 a device, or the whole trace")
    adversaries: dict[str, int] = Field(default_factory=dict, description="a table: kind = count")
    contacts: str = Field(EVEN, description="even: random, all devices alike; or a contact trace's FILE")
    link_bytes_s: Rate | None = Field(None, description="a device sends or receives; by default at once")
    compute_images_s: Rate | None = Field(None, description="a device trains; by default at once")
    heterogeneity: float = Field(0.0, ge=0, le=5, description="of both rates over devices: sigma of a log-normal")

    defence: Literal["none", "norm", "krum"] = Field("none", description="by which a learner screens what it merges")

    # what is paid
    incentive: bool = Field(True, description="false: no ledger, every contribution is merged")
    preset: Literal["safe", "paper"] = Field("safe", description="rules of the task")
    reward: Tokens = Field(10.0, description="what a learner pays for an encounter, in tokens")
    validators: int = Field(3, ge=1, le=MAX_VOTES, description="votes that settle an encounter (V)")
    committee: int | None = Field(None, ge=0, le=MAX_VOTES, description="members drawn to vote (K), 0: open voting")
    quorum: int | None = Field(None, ge=1, le=MAX_VOTES, description="least votes that decide anything")
    rule: str | None = Field(
        None, description="a validator judges by: paper, loss, f1, precision, recall, balanced, mcnemar"
    )
    goal: Literal["all", "own"] = Field(
        "all", description="classes a learner cares for under balanced: alike, or its own"
    )
    tolerance: Share | None = Field(
        None, description="how much worse a yes may be (tau); None: the rule's, for the data"
    )
    validation_images: int = Field(200, ge=1, le=65_535, description="a validator scores, drawn from its own")
    neighbor_share: Share = Field(0.8, description="of the reward; validators share the rest (p_n)")
    good_faith_share: Share | None = Field(None, description="of the reward, if the encounter ends incomplete (g)")
    no_vote_share: Share | None = Field(None, description="of the reward, if too few vote")
    reject_pot_share: Share | None = Field(None, description="of a rejected neighbor's penalty that validators get")
    tie: Literal["accept", "reject"] = Field("accept", description="as many yes as no votes")
    completion_window_s: Seconds = Field(3_600, description="time for each report")
    voting_window_s: Seconds = Field(50_000, description="time for the votes")
    tokens: Tokens = Field(1_000_000.0, description="a device buys")
    stake: Tokens = Field(200.0, description="a device pledges")
    stake_target: Tokens | None = Field(None, description="rewards go to the stake below it; safe: 200, paper: 0")
    stake_threshold: Tokens = Field(100.0, description="least stake of a neighbor or validator")

    # how it is run
    evm: Literal["auto", "pyevm", "pyrevm"] = Field("auto", description="embedded EVM; auto: the fastest installed")
    rpc: str | None = Field(None, description="URL of a development node (Anvil, Ganache); none: the embedded EVM")
    contact_interval_s: Seconds = Field(60, description="simulated time between even contacts")
    baseline_devices: int = Field(3, ge=0, description="train alone, for the baseline in the report; 0: none")
    workers: int | None = Field(
        None, ge=1, le=1_024, description="processes that train; by default 1, on ray one a CPU; results are equal"
    )
    backend: Literal["auto", "native", "torch"] = Field(
        "auto", description="computes the networks; auto: native where it is built; each its own results"
    )
    executor: Literal["processes", "ray", "cuda"] = Field(
        "processes", description="who trains: workers here, on a Ray cluster, or a GPU (equal then but for rounding)"
    )
    ray_address: str | None = Field(None, description="HOST:PORT of a Ray cluster; by default one made for the run")
    checkpoint_s: int = Field(
        60, ge=0, le=1_000_000, description="between checkpoints, more where they take over 2 %; 0: each contact"
    )
    threads: int = Field(
        1, ge=1, le=256, description="of PyTorch in a process; results are equal only among equal numbers; native: 1"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
        """Check what no single key can tell."""
        if self.rpc is not None and not self.incentive:
            raise _inconsistent("rpc", self.rpc, "leave it out where incentive is false: such a run has no ledger")
        if self.incentive and self.devices < self.validators + 2:
            raise _inconsistent(
                "validators",
                self.validators,
                f"with {self.devices} devices at most {self.devices - 2}: learner and neighbor do not judge themselves",
            )
        if self.rule is not None and self.rule not in rule_names():
            raise _inconsistent("rule", self.rule, f"choose one of {', '.join(rule_names())}")
        for kind, count in self.adversaries.items():
            from idml.simulation.adversaries import ADVERSARIES  # loads PyTorch, which takes a second

            if kind not in ADVERSARIES:
                raise _inconsistent(f"adversaries.{kind}", count, f"kinds are {', '.join(sorted(ADVERSARIES))}")
            if not 0 <= count < self.devices:
                raise _inconsistent(
                    f"adversaries.{kind}", count, f"must be between 0 and {self.devices - 1}, below devices"
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
            raise PydanticCustomError("inconsistent", "{line}", {"line": str(error)}) from None
        return self

    @property
    def contact_count(self) -> int:
        """The number of contacts."""
        return self.encounters if self.encounters is not None else 30 * self.devices

    @property
    def target_wei(self) -> int:
        """Up to which stake rewards go to the stake."""
        target = self.stake_target if self.stake_target is not None else 200.0 if self.preset == "safe" else 0.0
        return to_wei(target)

    @property
    def judged_by(self) -> Rule:
        """How a validator judges: under the paper's rules by the paper's, else by the one that errs least."""
        return find_rule(self.rule or ("paper" if self.preset == "paper" else DEFAULT_RULE))

    @property
    def tolerance_bps(self) -> int:
        """How much worse a yes may be, in 1/10,000."""
        return _bps(self.judged_by.tolerance_on(self.dataset) if self.tolerance is None else self.tolerance)

    def task(self) -> TaskParams:
        """The task that the contract is given."""
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
        """Write the configuration as TOML; keys that are None are left out."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))


def load_config(path: Path | None = None, settings: Sequence[str] = (), **overrides: Any) -> Config:
    """Read a configuration: a TOML file, then `key=value` settings, then keyword overrides, each over the last.

    Args:
        path: a TOML file, or None for the defaults.
        settings: as on the command line, for instance "devices=30" or "adversaries.label_flip=6".

    Raises:
        ConfigError: one line for each problem: the key, the value and the valid range.
        TraceError: if `contacts` names no trace.
    """
    return make_config({**read_values(path, settings), **overrides})


def read_values(path: Path | None, settings: Sequence[str]) -> dict[str, Any]:
    """What a TOML file and `key=value` settings say, unchecked; see `load_config`."""
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for setting in settings:
        _apply(values, setting)
    return values


def make_config(values: Mapping[str, Any]) -> Config:
    """Check values and make a `Config` of them; where contacts follow a trace, so do `devices` and `encounters`.

    Raises:
        ConfigError: one line for each problem.
        TraceError: if `contacts` names no trace.
    """
    try:
        return Config.model_validate({**values, **_of_trace(values)})
    except ValidationError as error:
        lines = [explain(problem, Config.model_fields) for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _of_trace(values: Mapping[str, Any]) -> dict[str, Any]:
    """Keys that follow from a trace, where they are not set."""
    name = values.get("contacts")
    missing = [key for key in ("devices", "encounters") if values.get(key) is None]
    trace = find_trace(name) if missing and isinstance(name, str) else None
    if trace is None:
        return {}
    devices = values.get("devices")
    if isinstance(devices, int) and 2 <= devices < len(trace.devices):
        trace = most_met(trace, devices)
    follows = {"devices": len(trace.devices), "encounters": len(trace)}
    return {key: follows[key] for key in missing}


def to_wei(tokens: float) -> int:
    """Whole tokens to base units, exact to the micro-token."""
    return round(tokens * 1_000_000) * (TOKEN_WEI // 1_000_000)


def _bps(share: float) -> int:
    return round(share * FULL_BPS)


def _apply(values: dict[str, Any], setting: str) -> None:
    key, separator, text = setting.partition("=")
    path = key.strip().split(".")
    if not separator or not all(path):
        raise ConfigError(f"--set {setting!r}: write it as key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for part in path[:-1]:
        nested = values.setdefault(part, {})
        if not isinstance(nested, dict):
            raise ConfigError(f"--set {setting!r}: {part} is no table")
        values = nested
    values[path[-1]] = value


def _inconsistent(key: str, value: object, valid: str) -> PydanticCustomError:
    return PydanticCustomError("inconsistent", "{line}", {"line": f"{key} is {value!r}: {valid}"})
