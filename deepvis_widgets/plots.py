"""Figures for papers and lessons; each is a `matplotlib.figure.Figure`, which a notebook shows and `savefig` writes."""

from __future__ import annotations

import math
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from .synthesis import PARAMETERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .synthesis import Result, Sweep, Visualization
    from .synthesis.declarations import Parameter

WIDTH = 6.4  # inches
MOST_RUNGS = 12  # so many pictures, or ticks, still find room side by side
MOST_SAMPLES = 9  # so many curves can still be told apart


def score_against_strength(sweep: Sweep, parameter: Parameter | str, score: str = "activation") -> Figure:
    """How a score depends on the strength of one prior.

    Results that differ in nothing else are joined by a line; with one such ladder, its pictures stand above their values.
    Where each doubling matters equally the axis is logarithmic, with "off" at its left.

    Args:
        sweep: from `deepvis_widgets.sweep`.
        parameter: a declared one, or its name.
        score: one of `synthesis.results.SCORES`.

    Raises:
        ValueError: no such parameter or score, or no result.
    """
    declared = _declared(parameter)
    ordered = sweep.ranked(declared.name, descending=False).results
    if not ordered:
        raise ValueError("there is no result to draw")
    ladders = _ladders(ordered, declared.name)
    places = _places(ordered, declared)
    even = len(places) <= MOST_RUNGS and _evenly_spaced(list(places.values()), declared)
    pictures = even and len(ladders) == 1 and len(ordered) == len(places)
    figure = Figure(figsize=(WIDTH, 4.8 if pictures else 4.0), layout="constrained")
    axes = figure.add_subplot()
    loose = all(len(rungs) == 1 for rungs in ladders)
    for rungs in ladders:
        at, scores = [places[r.value(declared.name)] for r in rungs], [r.value(score) for r in rungs]
        axes.plot(at, scores, "o-", markersize=5, color="C0" if loose else None, label=_rest(rungs[0], sweep, declared))
    if pictures:
        _thumbnails(axes, sweep, ordered)
    _name_strengths(axes, declared, places, even=even)
    if not loose and 1 < len(ladders) <= MOST_SAMPLES:
        axes.legend(fontsize="small")
    axes.set_ylabel(score.replace("_", " "))
    axes.grid(visible=True, alpha=0.3)
    return figure


def history(visualization: Visualization) -> Figure:
    """Score and standard deviation of every sample at every step.

    A dot marks each sample's best picture, a triangle the first for which its unit was the layer's strongest; a dotted
    line is where settings were changed.
    """
    numbers, changes = visualization.history, visualization.recipe.changes
    first = changes[0][0]
    steps = range(first, first + len(numbers))
    figure = Figure(figsize=(WIDTH, 4.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for b in range(numbers.scores.shape[1]):
        (line,) = above.plot(steps, numbers.scores[:, b], linewidth=1.2, label=str(b))
        colour = line.get_color()
        for marker, index in (("o", int(visualization.indices[b])), ("^", int(visualization.majority_indices[b]))):
            if index >= first:
                above.plot(index, float(numbers.scores[index - first, b]), marker, color=colour, markersize=6)
        below.plot(steps, numbers.stds[:, b], linewidth=1.2, color=colour)
    for axes in (above, below):
        axes.grid(visible=True, alpha=0.3)
        for index, _ in changes[1:]:
            axes.axvline(index, color="0.4", linewidth=1, linestyle=":")
    if 1 < numbers.scores.shape[1] <= MOST_SAMPLES:
        above.legend(title="sample", ncols=3, fontsize="small")
    above.set_ylabel("score")
    below.set_ylabel("standard deviation\n(grey levels)")
    below.set_xlabel("step")
    return figure


def _declared(parameter: Parameter | str) -> Parameter:
    name = parameter if isinstance(parameter, str) else parameter.name
    by_name = {declared.name: declared for declared in PARAMETERS}
    if name not in by_name:
        raise ValueError(f"{name!r} is not one of {', '.join(by_name)}")
    return by_name[name]


def _ladders(results: tuple[Result, ...], name: str) -> list[list[Result]]:
    """The results in groups that differ in nothing but this; each in the order in which they come."""

    def rest(result: Result) -> str:
        return repr({other: value for other, value in result.settings().items() if other != name})

    return [list(group) for _, group in groupby(sorted(results, key=rest), rest)]


def _rest(result: Result, sweep: Sweep, parameter: Parameter) -> str:
    """What else varies in the sweep, and how it is here."""
    settings = result.settings()
    others = {name.replace("_", " "): settings[name] for name in sweep.varied if name != parameter.name}
    return ", ".join(f"{name} {value:.3g}" if isinstance(value, int | float) else f"{value}" for name, value in others.items())


def _places(results: tuple[Result, ...], parameter: Parameter) -> dict[float, float]:
    """Of each value, in ascending order, its place on the axis; "off" is one step left of the weakest."""
    values = sorted({result.value(parameter.name) for result in results})
    on = [value for value in values if value]
    if len(on) in (0, len(values)):
        return {value: value for value in values}
    logarithmic, few = parameter.scale == "log", 1 < len(on) <= MOST_RUNGS
    if logarithmic:
        return {value: value or on[0] / (on[1] / on[0] if few else 2.0) for value in values}
    return {value: value or on[0] - (on[1] - on[0] if few else 0.05 * (on[-1] - on[0]) or 1.0) for value in values}


def _evenly_spaced(places: list[float], parameter: Parameter) -> bool:
    """Whether the steps from place to place look alike on the parameter's own axis."""
    at = [math.log(place) for place in places] if parameter.scale == "log" and all(places) else places
    steps = [b - a for a, b in pairwise(at)]
    return bool(steps) and max(steps) < 1.3 * min(steps)


def _name_strengths(axes: Axes, parameter: Parameter, places: dict[float, float], *, even: bool) -> None:
    if parameter.scale == "log" and all(places.values()):
        axes.set_xscale("log")
    if even:
        axes.xaxis.set_major_locator(FixedLocator(list(places.values())))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([f"{value:.3g}" if value else "off" for value in places])
    elif 0.0 in places:
        axes.axvline(places[0.0], color="0.7", linewidth=1, zorder=0)
        axes.annotate("off", (places[0.0], 0), xycoords=("data", "axes fraction"), textcoords="offset points", xytext=(3, 4))
    axes.set_xlabel(f"{parameter.name.replace('_', ' ')} ({parameter.unit})")


def _thumbnails(axes: Axes, sweep: Sweep, results: tuple[Result, ...]) -> None:
    """The pictures in a row above the axes, each over its value, which are evenly spaced."""
    images = dict(zip(map(id, sweep.results), sweep.images, strict=True))
    count = len(results)
    axes.margins(x=0.5 / (count - 1))  # then the first and the last lie in the middle of their picture's column
    for number, result in enumerate(results):
        image = images[id(result)]
        inset = axes.inset_axes(((number + 0.02) / count, 1.02, 0.96 / count, 0.3), anchor="S")
        inset.imshow(image if image.shape[2] == 3 else image[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        inset.set_axis_off()
