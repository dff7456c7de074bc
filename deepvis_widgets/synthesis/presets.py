"""Settings by name: the paper's four, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from .settings import Regularization
from .step_sizes import Constant, Progress, StepSize

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PAPER_SIZE = 227  # pixels a side, for which the paper's numbers are


@dataclass(frozen=True)
class Preset:
    """A setting that works.

    Attributes:
        about: the look of what it makes.
        regularization: the strength of each prior.
        step_size: the policy.
        steps: how many the paper took.
        parameterization: what is optimised.
    """

    about: str
    regularization: Regularization
    step_size: StepSize
    steps: int
    parameterization: str = "pixels"

    def options(self) -> dict[str, Any]:
        """Keywords for `ascend` and `visualize`."""
        return {
            "regularization": self.regularization,
            "step_size": self.step_size,
            "steps": self.steps,
            "parameterization": self.parameterization,
        }


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "sparse": Preset(
            "important regions only, on plain ground",
            Regularization(blur_sigma=0.5, blur_every=4, norm_percentile=50),
            Progress(desired=2.0, max_lr=100.0),
            500,
        ),
        "sharp": Preset(
            "fine texture, high frequencies",
            Regularization(decay=0.3, norm_percentile=20),
            Constant(100.0),
            750,
        ),
        "smooth": Preset(
            "large smooth shapes; the best single setting, used for most of the paper's pictures",
            Regularization(decay=0.0001, blur_sigma=1.0, blur_every=4),
            Constant(100.0),
            1000,
        ),
        "outline": Preset(
            "few pixels: sparse outlines",
            Regularization(blur_sigma=0.5, blur_every=4, contribution_percentile=90),
            Progress(desired=2.0, max_lr=1e8),
            1000,
        ),
    }
)
