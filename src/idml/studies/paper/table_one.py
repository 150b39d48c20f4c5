"""The paper's Table I."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

TABLE_I: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "preset": "paper",
        "rule": "paper",
        "stake_threshold": 100,
        "validators": 3,
        "voting_window_s": 50_000,
        "tokens": 1_000_000,
        "stake": 200,
        "tolerance": 0.03,
    }
)
"""The paper's Table I, as configuration keys, with its rules of payment (the preset) and of validation."""
