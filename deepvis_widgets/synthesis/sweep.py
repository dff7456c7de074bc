"""Many settings in one batch: ladders, planes and random search, with measured scores."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from . import measures
from .ascent import ascend
from .declarations import OFF
from .display import render, sheet
from .highlights import Highlights
from .regularizers import PRIORS
from .settings import Regularization

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Unpack

    from numpy.typing import NDArray
    from torch import Tensor

    from deepvis_widgets.activations import Layer
    from deepvis_widgets.models import VisionModel

    from .ascent import Options
    from .declarations import Parameter

BATCH = 9  # settings that run together unless told otherwise
HELD_OUT = Regularization(jitter=8, scale=0.1, rotate=10)  # what `Result.robustness` is measured under
DRAWS = 8


@dataclass(frozen=True, eq=False)
class Result:
    """One setting and what came of it.

    Attributes:
        regularization: the setting.
        x: (C, H, W) float32 on the CPU, the picture with the best score.
        activation: that score.
        robustness: mean score over held-out shifts, scales and angles, over the score without; 1 is unharmed.
        strongest: whether the unit was the strongest of its layer at the best picture.
        high_frequency: share of energy above 0.25 cycles a pixel.
        total_variation: mean difference of neighbours over the standard deviation.
        seconds: the batch's time over its number of settings.
    """

    regularization: Regularization
    x: Tensor
    activation: float
    robustness: float
    strongest: bool
    high_frequency: float
    total_variation: float
    seconds: float


SCORES = ("activation", "robustness", "strongest", "high_frequency", "total_variation", "seconds")


@dataclass(frozen=True, eq=False)
class Sweep:
    """Results in the order of their settings."""

    results: tuple[Result, ...]

    def ranked(self, by: str = "activation", *, descending: bool = True) -> Sweep:
        """Sorted by one of `SCORES`."""
        if by not in SCORES:
            raise ValueError(f"sort by one of {', '.join(SCORES)}, not {by!r}")
        return Sweep(tuple(sorted(self.results, key=lambda result: float(getattr(result, by)), reverse=descending)))

    @property
    def images(self) -> NDArray[np.uint8]:
        """(n, H, W, C) uint8; each with its own contrast, since settings differ in it by far more than the eye can span."""
        return render(torch.stack([result.x for result in self.results]), shared=False)

    def save_sheet(self, path: str | Path, *, columns: int | None = None) -> None:
        """All pictures on one, in the present order."""
        Image.fromarray(sheet(self.images, columns=columns)).save(path)

    def save_csv(self, path: str | Path) -> None:
        """One row a result: every parameter, every score."""
        rows = [r.regularization.values() | {name: getattr(r, name) for name in SCORES} for r in self.results]
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else list(SCORES))
            writer.writeheader()
            writer.writerows(rows)


def sweep(
    model: VisionModel,
    layer: str | Layer,
    unit: int,
    settings: Sequence[Regularization],
    *,
    batch: int = BATCH,
    **options: Unpack[Options],
) -> Sweep:
    """One picture for each setting, `batch` of them at a time; `run_sweep` to its end.

    Args:
        model: the network.
        layer: its name.
        unit: the channel or neuron.
        settings: one a picture.
        batch: how many run together.
        **options: as `ascend` takes them; one seed for all, so that only the setting differs.
    """
    return Sweep(tuple(run_sweep(model, layer, unit, settings, batch=batch, **options)))


def run_sweep(
    model: VisionModel,
    layer: str | Layer,
    unit: int,
    settings: Sequence[Regularization],
    *,
    batch: int = BATCH,
    **options: Unpack[Options],
) -> Iterator[Result]:
    """The results as they come; stopping is not asking for more."""
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    for begin in range(0, len(settings), batch):
        yield from _together(model, layer, unit, tuple(settings[begin : begin + batch]), options)


def _together(
    model: VisionModel, layer: str | Layer, unit: int, settings: tuple[Regularization, ...], options: Options
) -> Iterator[Result]:
    chosen = options.copy()
    chosen["regularization"] = settings
    began, highlights = time.perf_counter(), Highlights()
    for step in ascend(model, layer, unit, **chosen):
        highlights.add(step)
    seconds = (time.perf_counter() - began) / len(settings)
    x, scores = highlights.best.cpu(), highlights.best_scores
    strongest = highlights.history.strongest[highlights.best_indices - highlights.changes[0][0], torch.arange(len(x))]
    robust = _robustness(model, layer, unit, x, scores, options)
    rows = zip(
        settings, x, scores, robust, strongest, measures.high_frequency_share(x), measures.total_variation(x), strict=True
    )
    for setting, picture, score, kept, ours, high, variation in rows:
        yield Result(setting, picture, float(score), float(kept), bool(ours), float(high), float(variation), seconds)


def _robustness(model: VisionModel, layer: str | Layer, unit: int, x: Tensor, scores: Tensor, options: Options) -> Tensor:
    """(B,); the draws lie far from any run's seeds and steps, so that no picture was made for them."""
    held_out = options.copy()
    held_out |= {"start": x, "seeds": (7919,) * len(x), "regularization": HELD_OUT, "steps": 1}
    held_out.pop("steer", None)
    total = torch.zeros(len(x))
    for draw in range(DRAWS):
        held_out["first"] = 1_000_000 + draw
        total += next(iter(ascend(model, layer, unit, **held_out))).scores
    return total / DRAWS / torch.where(scores.abs() < 1e-6, 1e-6, scores)


def ladder(parameter: Parameter, rungs: int = 9, base: Regularization | None = None) -> tuple[Regularization, ...]:
    """One parameter off and then from weak to strong, the rest as in ``base`` (the paper's figure 3)."""
    rest = (base or Regularization()).values()
    return tuple(Regularization(**rest | {parameter.name: value}) for value in (OFF, *parameter.ladder(rungs - 1)))


def plane(
    first: Parameter, second: Parameter, rungs: int = 5, base: Regularization | None = None
) -> tuple[Regularization, ...]:
    """Every pair of two parameters' values; the second changes fastest."""
    rest = (base or Regularization()).values()
    pairs = product(first.ladder(rungs), second.ladder(rungs))
    return tuple(Regularization(**rest | {first.name: a, second.name: b}) for a, b in pairs)


def random_settings(count: int, seed: int = 0) -> tuple[Regularization, ...]:
    """Random combinations of the priors: each is off or on with even odds, and if on, drawn from its declared range."""
    generator = np.random.default_rng(seed)
    return tuple(Regularization(**_drawn(generator)) for _ in range(count))


def _drawn(generator: np.random.Generator) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for prior in PRIORS:
        # Drawn whether it is on or not: the other priors' values do not then depend on this one's.
        drawn = {parameter.name: parameter.draw(generator) for parameter in prior.parameters}
        values |= drawn if generator.random() < 0.5 else {}
    return values
