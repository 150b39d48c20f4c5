"""Means with the intervals that a few values allow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval (Student's t over the values).

    Args:
        mean: of the values.
        half: of the interval's width; infinite for a single value.
        count: of values.
    """

    mean: float
    half: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """From one value for each of them, at least one: for each seed, or for each device."""
        count = len(values)
        if count == 1:
            return cls(values[0], math.inf, 1)
        from scipy.special import stdtrit  # it takes a while to import

        return cls(fmean(values), float(stdtrit(count - 1, 0.975)) * stdev(values) / math.sqrt(count), count)

    @classmethod
    def of_differences(cls, values: Sequence[float], others: Sequence[float]) -> "Estimate":
        """Of values less others of the same seeds."""
        return cls.of([value - other for value, other in zip(values, others, strict=True)])

    @classmethod
    def of_groups(cls, one: Sequence[float], other: Sequence[float]) -> "Estimate":
        """Of the mean of one group less that of another, each of at least two different values (Welch's t)."""
        from scipy.special import stdtrit

        parts = [stdev(values) ** 2 / len(values) for values in (one, other)]
        error, mean = math.sqrt(sum(parts)), fmean(one) - fmean(other)
        spread = sum(part**2 / (len(values) - 1) for part, values in zip(parts, (one, other), strict=True))
        return cls(mean, float(stdtrit(error**4 / spread, 0.975)) * error, len(one))

    @property
    def low(self) -> float:
        """The interval's lower end."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """The interval's upper end."""
        return self.mean + self.half

    @property
    def band(self) -> tuple[float, float]:
        """The interval as it is drawn: a single value, which has none, stands for itself."""
        return (self.low, self.high) if self.count > 1 else (self.mean, self.mean)

    def points(self, *, signed: bool = False) -> str:
        """As percentage points, for example `-1.30 ± 0.65`."""
        return self.text(scale=100, digits=2, signed=signed)

    def text(self, *, scale: float = 1.0, digits: int = 1, signed: bool = False) -> str:
        """As text, multiplied by `scale`."""
        value = f"{scale * self.mean:{'+' if signed else ''}.{digits}f}"
        return value if math.isinf(self.half) else f"{value} ± {scale * self.half:.{digits}f}"
