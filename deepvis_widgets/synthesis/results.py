"""What came of many settings: measured scores, sorted and filtered, as a table and as a contact sheet."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from .display import captioned, render, sheet
from .settings import PARAMETERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from .climb import End
    from .settings import Regularization
    from .step_sizes import StepSize

SCORES = (
    "activation", "robustness", "selectivity", "strongest", "high_frequency", "total_variation", "spectrum_distance", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What may differ from one picture of a sweep to the next.

    Attributes:
        unit: the channel or neuron.
        seed: of the start and of the robustness transforms.
        regularization: the strength of each prior.
        step_size: the policy.
    """

    unit: int
    seed: int
    regularization: Regularization
    step_size: StepSize

    def settings(self) -> dict[str, Any]:
        """All of it by name, every declared parameter on its own."""
        return {"unit": self.unit, "seed": self.seed, "step_size": self.step_size, **self.regularization.values()}


@dataclass(frozen=True, eq=False)
class Result(Trial):
    """One trial and what came of it. A score that cannot be told is nan.

    Attributes:
        x: (C, H, W) float32 on the CPU, 0..255 minus the mean colour: the picture with the best score.
        activation: that score.
        robustness: share of it that is left when the picture is shifted, scaled and turned; see `measures.robustness`.
        selectivity: lead over the layer's strongest other unit; see `measures.selectivity`.
        strongest: whether the unit was the strongest of its layer, anywhere in it.
        high_frequency: share of energy above 0.25 cycles a pixel.
        total_variation: mean difference of neighbours over the standard deviation.
        spectrum_distance: of the radial power spectrum from that of photographs, in powers of ten.
        seconds: the batch's time over its number of pictures.
        end: why it ended: steps done, stopped (with the error, where one stopped it), zero gradient, not finite.
    """

    x: Tensor
    activation: float
    robustness: float
    selectivity: float
    strongest: bool
    high_frequency: float
    total_variation: float
    spectrum_distance: float
    seconds: float
    end: End

    def value(self, name: str) -> float:
        """A score, a declared parameter, the unit or the seed.

        Raises:
            ValueError: there is no number of that name.
        """
        numbers = {**self.settings(), **{score: getattr(self, score) for score in SCORES}}
        numbers.pop("step_size")
        if name not in numbers:
            raise ValueError(f"{name!r} is not one of {', '.join(numbers)}")
        return float(numbers[name])

    def row(self) -> dict[str, Any]:
        """Settings, scores and end, as a table has them."""
        end = f"{self.end.reason} at step {self.end.index}" + (f": {self.end.advice}" if self.end.advice else "")
        return {**self.settings(), **{score: getattr(self, score) for score in SCORES}, "end": end}


@dataclass(frozen=True, eq=False)
class Sweep:
    """Results, in the order of their settings until they are `ranked`."""

    results: tuple[Result, ...]

    def __len__(self) -> int:
        return len(self.results)

    def ranked(self, by: str = "activation", *, descending: bool = True) -> Sweep:
        """Sorted by a score or a parameter; where it is nan, at the end."""
        sign = -1 if descending else 1

        def place(result: Result) -> tuple[bool, float]:
            value = result.value(by)
            return (True, 0.0) if math.isnan(value) else (False, sign * value)

        return Sweep(tuple(sorted(self.results, key=place)))

    def where(self, **limits: tuple[float | None, float | None]) -> Sweep:
        """Those within all limits, ends included: ``where(robustness=(0.5, None), decay=(None, 0.1))``.

        Args:
            **limits: by score or parameter, the lowest and the highest value, None for any. nan is outside.
        """

        def within(result: Result, name: str, low: float | None, high: float | None) -> bool:
            value = result.value(name)
            return (-math.inf if low is None else low) <= value <= (math.inf if high is None else high)

        return Sweep(tuple(r for r in self.results if all(within(r, name, *pair) for name, pair in limits.items())))

    @property
    def varied(self) -> tuple[str, ...]:
        """The settings that are not the same for all results, by name."""
        rows = [result.settings() for result in self.results]
        return tuple(name for name in (rows[0] if rows else ()) if any(row[name] != rows[0][name] for row in rows))

    @property
    def images(self) -> NDArray[np.uint8]:
        """(n, H, W, C) uint8; each with its own contrast, since settings differ in it by far more than the eye can span."""
        return render(torch.stack([result.x for result in self.results]), shared=False)

    def save_sheet(self, path: str | Path, *, score: str = "activation", columns: int | None = None) -> None:
        """All pictures on one in the present order, each with a score and the settings that vary.

        Raises:
            ValueError: there is no result.
        """
        if not self.results:
            raise ValueError("there is no result to put on a sheet")
        varied = self.varied
        lines = [[_entry(score, result.value(score)), *_differences(result, varied)] for result in self.results]
        Image.fromarray(sheet(captioned(self.images, lines), columns=columns, gap=8)).save(path)

    def save_csv(self, path: str | Path) -> None:
        """One row a result: every setting, every score, and how it ended."""
        names = ("unit", "seed", "step_size", *(parameter.name for parameter in PARAMETERS), *SCORES, "end")
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(result.row() for result in self.results)


def _differences(result: Result, varied: tuple[str, ...]) -> list[str]:
    """Of the settings that vary, those that say something here: parameters that are on, or the one that is off."""
    settings = result.settings()
    shown = [name for name in varied if settings[name] != 0 or len(varied) == 1]
    return [_entry(name, settings[name]) for name in shown]


def _entry(name: str, value: Any) -> str:
    words = name.replace("_", " ")
    if isinstance(value, int | float):
        off = value == 0 and name in {parameter.name for parameter in PARAMETERS}
        return f"{words} off" if off else f"{words} {value:.3g}"
    return f"{value}"
