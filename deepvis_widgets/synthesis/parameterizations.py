"""What is optimised: pixels, or numbers that make better pictures when each of them takes an equal step.

Every parameterization here is linear, so that it is nothing but another measure of which way is steepest: the picture stays
the state of a run, the paper's priors act on it as ever, and a run may be taken up from any picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Parameterization(Protocol):
    """A linear map from parameters to pictures, and its transpose."""

    def pull(self, gradient: Tensor) -> Tensor:
        """(B, C, H, W), the gradient with respect to the picture -> (B, ...), with respect to the parameters."""
        ...

    def push(self, change: Tensor) -> Tensor:
        """A change of the parameters -> the change of the picture, (B, C, H, W)."""
        ...


@dataclass(frozen=True)
class Pixels:
    """The picture itself, as in the paper."""

    def pull(self, gradient: Tensor) -> Tensor:
        """As it is."""
        return gradient

    def push(self, change: Tensor) -> Tensor:
        """As it is."""
        return change


def parameterization(name: str) -> Parameterization:
    """By name.

    Args:
        name: "pixels".

    Raises:
        ValueError: no such parameterization.
    """
    if name == "pixels":
        return Pixels()
    raise ValueError(f"parameterization must be 'pixels', not {name!r}")
