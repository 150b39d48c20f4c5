"""Replays kept as csv, each with what made it beside it: nothing is taken for the result of other settings."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from idml.adapters.registry import load_adapter
from idml.learning.backends import definition_of
from idml.learning.judging.validation import RULES_VERSION
from idml.simulation.config import Config, ConfigError
from idml.simulation.contacts import EVEN
from idml.simulation.setup import resolve
from idml.simulation.totals import HOW
from idml.store import write_atomically
from idml.studies.error_rates import JudgedContribution, read_judged, replay, write_judged

_DO = "choose another --out, or delete it"


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay that is wanted, see `idml.studies.error_rates.replay`.

    Args:
        path: of the csv. What made it lies beside it, as .toml.
        config: of the run.
        every: one contact in so many is judged.
    """

    path: Path
    config: Config
    every: int

    def check(self) -> None:
        """See that what is there, if anything, is this replay.

        Raises:
            ConfigError: it was made with other settings, another version of the rules or engine, or nothing says how.
        """
        if not self.path.exists():
            return
        beside, made = self._beside, self._made()
        try:
            recorded = tomllib.loads(beside.read_text("utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"{self.path} has no {beside.name} beside it to say what made it: {_DO}") from None
        except OSError as error:
            raise ConfigError(f"{beside}: {error.strerror}") from None
        except ValueError as error:
            raise ConfigError(f"{beside} says not what made {self.path.name}, {error}: {_DO}") from None
        for key in sorted({*recorded, *made}):
            if recorded.get(key) != made.get(key):
                raise ConfigError(
                    f"{self.path} was made with {key} = {recorded.get(key)!r}, not {made.get(key)!r}: {_DO}"
                )

    def play(self) -> None:
        """Replay, and keep what was judged."""
        judged = replay(self.config, every=self.every)
        # First: a csv without it would be refused.
        write_atomically(self._beside, tomli_w.dumps(self._made()).encode())
        write_judged(self.path, judged)

    def read(self) -> list[JudgedContribution]:
        """What was judged; `check` it first."""
        return read_judged(self.path)

    @property
    def _beside(self) -> Path:
        return self.path.with_suffix(".toml")

    def _made(self) -> dict[str, Any]:
        """All that decides what is judged."""
        config = resolve(self.config, load_adapter(self.config.algorithm))
        assert config.backend != "auto"
        made = config.model_dump(exclude_none=True, exclude=HOW)
        if config.contacts != EVEN:  # the same trace wherever it lies
            made["contacts"] = hashlib.sha256(Path(config.contacts).read_bytes()).hexdigest()
        made |= {"every": self.every, "rules_version": RULES_VERSION, "definition": definition_of(config.backend)}
        # As it will be read, for example lists for tuples.
        return tomllib.loads(tomli_w.dumps(made))
