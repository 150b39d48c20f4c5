"""What one pass through a module of PyTorch came to, layer by layer. PyTorch itself is not loaded for it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(slots=True)
class PassRecord:
    """One pass through a module.

    Args:
        layers: each layer that came to its end, in that order, and what it returned.
        inside: layers that had begun when the pass failed, outermost first; empty if it did not.
    """

    layers: "list[tuple[str, torch.Tensor]]" = field(default_factory=list)
    inside: list[str] = field(default_factory=list)

    @property
    def last(self) -> str:
        """The layer that ended last, or in which the pass failed; "" where there is none."""
        return self.inside[-1] if self.inside else self.layers[-1][0] if self.layers else ""

    def differs_in(self, other: "PassRecord", *, first_row: bool = False) -> str:
        """The first layer that returned something else in another pass; "" where none did.

        Args:
            other: a pass of as many images.
            first_row: whether to look at what became of the first image alone, and not at the last bits.
        """
        for (name, one), (_, two) in zip(self.layers, other.layers, strict=False):
            if first_row and one.shape == two.shape and one.dim() and one.is_floating_point():
                if not one[0].allclose(two[0], rtol=1e-3, atol=1e-4):
                    return name
            elif not first_row and (one.shape != two.shape or not one.equal(two)):
                return name
        return ""

    @property
    def not_finite_in(self) -> str:
        """The first layer that returned something that is not finite; "" where none did."""
        return next((name for name, found in self.layers if not found.isfinite().all()), "")
