"""Means with the intervals that a few seeds allow."""

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
        """From one value for each seed, at least one."""
        count = len(values)
        if count == 1:
            return cls(values[0], math.inf, 1)
        from scipy.stats import t  # it takes half a second to import

        return cls(fmean(values), float(t.ppf(0.975, count - 1)) * stdev(values) / math.sqrt(count), count)

    @classmethod
    def of_differences(cls, values: Sequence[float], others: Sequence[float]) -> "Estimate":
        """Of values less others of the same seeds."""
        return cls.of([value - other for value, other in zip(values, others, strict=True)])

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


def span(numbers: Sequence[int]) -> str:
    """The least to the greatest, as text."""
    if not numbers:
        return "–"
    return f"{min(numbers)}" if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"
