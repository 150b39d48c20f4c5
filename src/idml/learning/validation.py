"""When a validator votes yes: rules that compare a model before and after an encounter on its own images."""

from typing import Final, Protocol

from idml.learning.errors import LearningError


class Rule(Protocol):
    """A rule of acceptance: exact, so that every validator with the same images decides the same."""

    def __call__(self, correct_old: int, correct_new: int, images: int, tolerance_bps: int) -> bool:
        """Decide.

        Args:
            correct_old: images that the model before the encounter classifies correctly.
            correct_new: images that the contribution classifies correctly.
            images: how many both were tried on.
            tolerance_bps: tau, in 1/10,000.

        Returns:
            True for a vote for the contribution.
        """


def accuracy_within_tolerance(correct_old: int, correct_new: int, images: int, tolerance_bps: int) -> bool:
    """Accept if accuracy rose or fell by at most the tolerance: 10,000 * (new - old) >= -tolerance_bps * images.

    Raises:
        LearningError: a count is not between 0 and images, there is no image, or the tolerance is not in 0..10,000.
    """
    if images < 1 or not (0 <= correct_old <= images and 0 <= correct_new <= images):
        raise LearningError(f"{correct_old} and {correct_new} of {images} images are no counts of correct ones")
    if not 0 <= tolerance_bps <= 10_000:
        raise LearningError(f"tolerance_bps is {tolerance_bps}: it must lie in 0..10,000")
    return 10_000 * (correct_new - correct_old) >= -tolerance_bps * images


RULES: Final[dict[str, Rule]] = {"accuracy": accuracy_within_tolerance}
"""The rules by name; add your own here before a run names it."""


def find_rule(name: str) -> Rule:
    """Return the rule of this name, or raise `LearningError` with those there are."""
    try:
        return RULES[name]
    except KeyError:
        raise LearningError(f"validation rule {name!r} is unknown: choose one of {', '.join(RULES)}") from None
