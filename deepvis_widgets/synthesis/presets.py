"""Settings by name: the paper's four, exactly, one of ours, and what they become for other networks than the paper's.

The paper's network takes 227 x 227 pixels. `Preset.at` has the numbers for a network that was made for another size:

- Widths in pixels shrink with that size, since what the network looks for is so much narrower. A blur is never less than
  half a pixel wide: the next pixel is too far away for a narrower one to do anything.
- A rate grows with the inverse square of the size. Such a network's score changes less for a grey level of a pixel, and a
  blur of half a pixel takes more of a small picture away; with the paper's rate the score of a small network falls.
- Decay shrinks with the size: what a small network's gradient brings in a step is gone at once otherwise.
- The length of a step (`Distance`) is a norm over all pixels and shrinks with the size too.
- Percentiles, and a rise of the score (`Progress`) mean the same at every size, so they stay.
- Nothing changes within two percent of the paper's size: 224, today's usual, is the same network a few pixels smaller.
- Nothing changes for larger networks: no larger one was measured.

It is the size that the network was made for that counts, not that of the picture: squeezenet1_0 (made for 224) responds well
to the smooth preset as it is at 64, 96 and 128 pixels, because the patterns it looks for are as many pixels wide there.
`tests/benchmarks/bench_sizes.py` is the experiment.

The paper's four belong to the parameterization "pixels": their blur, decay and clips take out what pixels bring in. "robust"
takes "fourier" with transforms instead, and a second network recognises its pictures far more often
(`tests/benchmarks/bench_transfer.py`). Its numbers were chosen with squeezenet1_0's pictures of 27 classes by what
caffenet-mini said of them, at 128 pixels: with the preset it has 9 of those 27 among its top 5, and 8 of 27 others. The
network that judges takes no part in making a picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from .settings import PARAMETERS, Regularization
from .step_sizes import Constant, Distance, Progress, StepSize

if TYPE_CHECKING:
    from collections.abc import Mapping

PAPER_SIZE = 227  # pixels a side, for which the paper's numbers are
SAME_SIZE = 0.98  # of it: what differs less takes the paper's numbers as they are
NARROWEST_BLUR = 0.5  # px


@dataclass(frozen=True)
class Preset:
    """A setting that works.

    Attributes:
        about: the look of what it makes.
        regularization: the strength of each prior.
        step_size: the policy.
        steps: how many the paper took; of ours, how many do.
        parameterization: what is optimised.
    """

    about: str
    regularization: Regularization
    step_size: StepSize
    steps: int
    parameterization: str = "pixels"

    def at(self, size: tuple[int, int]) -> Preset:
        """The same for a network that was made for pictures of another size, to two digits; see above for the rule.

        Args:
            size: height and width that the network was made for, ``model.input_size[1:]``.
        """
        share = math.sqrt(size[0] * size[1]) / PAPER_SIZE
        if share >= SAME_SIZE:
            return self
        values = self.regularization.values()
        values["decay"] = _two_digits(values["decay"] * share)
        values |= {p.name: _narrower(values[p.name], share, integer=p.integer) for p in PARAMETERS if p.unit == "px"}
        return replace(self, regularization=Regularization(**values), step_size=_scaled(self.step_size, share))

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
        "robust": Preset(
            "whole shapes, which other networks recognise more often",
            Regularization(jitter=16, scale=0.5, rotate=20),
            Distance(120.0),
            200,
            "fourier",
        ),
    }
)


def _narrower(width: float, share: float, *, integer: bool) -> float:
    """A width in pixels at a smaller size; what is on stays on."""
    least = min(width, 1.0 if integer else NARROWEST_BLUR)
    return max(float(round(width * share)) if integer else _two_digits(width * share), least)


def _scaled(policy: StepSize, share: float) -> StepSize:
    """Rates grow; a distance over all pixels shrinks with their number; what is counted in the score's own units stays."""
    factors = {"lr": 1 / share**2, "max_lr": 1 / share**2, "length": share}
    changed = {name: _two_digits(value * factors[name]) for name, value in vars(policy).items() if name in factors}
    return replace(cast("Any", policy), **changed)  # type: ignore[no-any-return]


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")
