"""What is said of several seeds: means with their intervals, and spans."""

from collections.abc import Sequence

from idml.reporting.estimates import Estimate

__all__ = ["Estimate", "span"]


def span(numbers: Sequence[int]) -> str:
    """The least to the greatest, as text."""
    if not numbers:
        return "–"
    return f"{min(numbers)}" if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"
