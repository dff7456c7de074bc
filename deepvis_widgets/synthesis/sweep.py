"""Many settings in one batch, a picture each, with measured scores."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from . import measures
from .ascent import ascend
from .climb import End
from .gradient import GradientOf
from .highlights import Highlights
from .objectives import Objective
from .presets import PRESETS
from .results import SCORES, Result, Sweep, Trial
from .settings import Settings, spread
from .step_sizes import Progress01
from .target import find_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Unpack

    from deepvis_widgets.activations import Layer
    from deepvis_widgets.models import VisionModel

    from .ascent import Options
    from .climb import Step
    from .settings import Regularization

SIDE = 227  # pixels: nine pictures of the paper's size fill a batch on a CPU
BATCHES = {"cpu": 9, "cuda": 64}  # how many pictures of that size
MOST = {"cpu": 27, "cuda": 512}  # and of any size


def sweep(
    model: VisionModel,
    layer: str | Layer,
    unit: int | Sequence[int],
    settings: Sequence[Regularization | Settings],
    *,
    batch: int | None = None,
    on_step: Callable[[Step], Any] | None = None,
    **options: Unpack[Options],
) -> Sweep:
    """One picture for each setting, many at a time; `run_sweep` to its end, with the same arguments."""
    return Sweep(tuple(run_sweep(model, layer, unit, settings, batch=batch, on_step=on_step, **options)))


def run_sweep(
    model: VisionModel,
    layer: str | Layer,
    unit: int | Sequence[int],
    settings: Sequence[Regularization | Settings],
    *,
    batch: int | None = None,
    on_step: Callable[[Step], Any] | None = None,
    **options: Unpack[Options],
) -> Iterator[Result]:
    """The results as they come, in the order of the settings; stopping is not asking for more.

    Settings, units and seeds may be one for all pictures or one for each. A setting that ends in numbers that are not
    finite, or in an error, has a result that says so, and the others go on.

    Args:
        model: the network.
        layer: its name.
        unit: the channel or neuron.
        settings: regularizations, or `Settings`, which have a step size of their own.
        batch: how many run together. None for what suits the device, see `fitting_batch`; where a GPU's memory does not hold
            so many, half of them do, and the sweep goes on with that.
        on_step: called with every step of every batch, for a progress bar, to pause or to show the pictures form; returning
            False ends the sweep after the results of the pictures under way, as far as they are.
        **options: as `ascend` takes them; the step size is for settings without one.

    Raises:
        ValueError: an argument cannot be.
    """
    if batch is not None and batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    if not {"regularization", "steer", "first"}.isdisjoint(options):
        raise ValueError("a sweep takes its regularization from settings, and neither steer nor first")
    trials = _trials(model, unit, settings, options)
    if options.get("pre_activation") is None:  # one answer for all, whichever of them share a batch
        options["pre_activation"] = not any(isinstance(trial.step_size, Progress01) for trial in trials)
    job = _Job(model, layer, options, on_step)
    return _results(job, trials, batch or fitting_batch(model.device, job.size))


def fitting_batch(device: torch.device, size: tuple[int, int]) -> int:
    """How many pictures of a size run together: as many pixels as nine pictures of 227 x 227 have, on a GPU 64 of them.

    On a CPU 27 at most. Measured on two cores (`tests/benchmarks/bench_synthesis.py`), milliseconds a picture and step:
    squeezenet1_0 at 224 with 1, 4, 9, 18 pictures 25, 15, 15, 17; caffenet-mini at 64 with 1, 9, 27, 113 pictures 4.3, 1.6,
    1.3, 1.2. Beyond that a batch gains nothing, and results come in larger lumps.
    """
    kind = "cpu" if device.type == "cpu" else "cuda"
    return min(MOST[kind], max(1, BATCHES[kind] * SIDE**2 // math.prod(size)))


def _trials(
    model: VisionModel, unit: int | Sequence[int], settings: Sequence[Regularization | Settings], options: Options
) -> tuple[Trial, ...]:
    """One a picture."""
    seeds, step_size = options.pop("seeds", 0), options.pop("step_size", None)
    if isinstance(step_size, Sequence):
        raise ValueError("a sweep takes one step size in its options; for one each, let settings be Settings")
    step_size = PRESETS["smooth"].at(model.input_size[1:]).step_size if step_size is None else step_size
    chosen = tuple(setting if isinstance(setting, Settings) else Settings(setting, step_size) for setting in settings)
    count = max(len(value) if isinstance(value, Sequence) else 1 for value in (unit, chosen, seeds)) if chosen else 0
    each: tuple[Settings, ...] = spread(chosen, count, "settings")
    rows = zip(spread(unit, count, "unit"), spread(seeds, count, "seeds"), each, strict=True)
    return tuple(Trial(number, seed, s.regularizations(1)[0], s.step_sizes(1)[0]) for number, seed, s in rows)


class _FailedError(Exception):
    """A prior, the network or the device raised what stands in ``__cause__``, at this step."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def _results(job: _Job, trials: tuple[Trial, ...], batch: int) -> Iterator[Result]:
    while trials and not job.stopped:
        group = trials[:batch]
        try:
            results: Iterable[Result] = job.run(group)
        except _FailedError as failure:
            if len(group) == 1:
                results = (job.failed(*group, failure),)
            elif isinstance(failure.__cause__, torch.cuda.OutOfMemoryError):
                batch = len(group) // 2
                continue
            else:  # in smaller groups it shows which of them was to blame
                results = _results(job, group, len(group) // 2)
        yield from results
        trials = trials[len(group) :]


@dataclass(eq=False)
class _Job:
    """What all batches of a sweep have in common."""

    model: VisionModel
    layer: str | Layer
    options: Options
    on_step: Callable[[Step], Any] | None
    stopped: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        size = self.options.get("size") or self.model.input_size[1:]
        return (size, size) if isinstance(size, int) else size

    def run(self, trials: tuple[Trial, ...]) -> tuple[Result, ...]:
        """One batch."""
        began, highlights = time.perf_counter(), Highlights()
        for step in self._steps(trials):
            highlights.add(step)
            if self.on_step is not None and self.on_step(step) is False:
                self.stopped = True
                break
        seconds = (time.perf_counter() - began) / len(trials)
        rows = zip(trials, highlights.best.cpu(), self._scores(trials, highlights), highlights.ends(), strict=True)
        return tuple(Result(**vars(trial), x=x, **scores, seconds=seconds, end=end) for trial, x, scores, end in rows)

    def failed(self, trial: Trial, failure: _FailedError) -> Result:
        """The mean colour, and the error."""
        x = torch.zeros(self.model.input_size[0], *self.size)
        end = End("stopped", failure.index, f"{type(failure.__cause__).__name__}: {failure.__cause__}")
        scores = dict.fromkeys(SCORES, math.nan) | {"strongest": False}
        return Result(**vars(trial), x=x, **scores, end=end)  # type: ignore[arg-type]

    def _steps(self, trials: tuple[Trial, ...]) -> Iterator[Step]:
        chosen = self.options.copy()
        chosen["regularization"] = tuple(trial.regularization for trial in trials)
        chosen["step_size"] = tuple(trial.step_size for trial in trials)
        chosen["seeds"] = tuple(trial.seed for trial in trials)
        steps, index = ascend(self.model, self.layer, [trial.unit for trial in trials], **chosen), 0
        while True:
            try:
                step = next(steps)
            except StopIteration:
                return
            except Exception as error:
                raise _FailedError(index) from error
            yield step
            index = step.index + 1

    def _scores(self, trials: tuple[Trial, ...], highlights: Highlights) -> list[dict[str, Any]]:
        """Every score but the seconds, by name, one a picture."""
        x, scores = highlights.best, highlights.best_scores
        target = find_target(self.model, self.layer, self.size, pre_activation=bool(self.options["pre_activation"]))
        units = [trial.unit for trial in trials]
        objective = Objective.of(units, self.options.get("position"), target.shape, target.layer.name)
        gradient_of = GradientOf(self.model, target, objective, self.options.get("precision", "auto"))
        columns = {
            "activation": torch.where(scores.isfinite(), scores, torch.nan),
            "robustness": measures.robustness(gradient_of, x, scores),
            "selectivity": measures.selectivity(gradient_of, x),
            "strongest": highlights.history.strongest[highlights.best_indices, torch.arange(len(x))],
            "high_frequency": measures.high_frequency_share(x),
            "total_variation": measures.total_variation(x),
            "spectrum_distance": measures.spectrum_distance(x),
        }
        values = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in values]
