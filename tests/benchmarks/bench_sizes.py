"""What the paper's presets become for networks made for other sizes than 227: the experiment behind `Preset.at`. Prints JSON.

Every preset with its numbers as they are ("paper"), with widths and decay changed but not rates ("widths"), and with all
changed ("at"), on caffenet-mini at its 64 pixels; and as they are against changed for the picture's size on squeezenet1_0 at
other sizes than its own. Each figure is the mean over the units of the first and the best score, of the share of units that
were ever the strongest of their layer, and of the last picture's standard deviation in grey levels.

    python -m tests.benchmarks.bench_sizes [steps]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deepvis_widgets.models import load
from deepvis_widgets.synthesis import PRESETS, Preset, ascend
from deepvis_widgets.synthesis.highlights import Highlights
from tests.benchmarks.report import machine, show, squeezenet_weights, weights_note

if TYPE_CHECKING:
    from deepvis_widgets.models import VisionModel

PAPER = ("sparse", "sharp", "smooth", "outline")
MINI = {"conv5": (3, 40, 90, 150), "fc8": (3, 50, 100, 150)}
SQUEEZENET = {"features.9": (3, 100), "classifier.1": (69, 151)}  # the second: class logits, averaged over the picture
SIZES = (64, 96, 128, 224)
STEPS = 100


def rules(preset: Preset, side: int) -> dict[str, Preset]:
    """The preset by each rule, for a network or a picture of this size."""
    changed = preset.at((side, side))
    return {"paper": preset, "widths": replace(changed, step_size=preset.step_size), "at": changed}


def figures(model: VisionModel, layer: str, units: tuple[int, ...], preset: Preset, **options: Any) -> dict[str, float]:
    """Of one batch, a sample a unit."""
    highlights = Highlights()
    position = "mean" if layer == "classifier.1" else None
    for step in ascend(model, layer, units, position=position, seeds=range(len(units)), **preset.options() | options):
        highlights.add(step)
    scores = highlights.history.scores
    return {
        "start": round(float(scores[0].mean()), 2),
        "best": round(float(highlights.best_scores.mean()), 2),
        "strongest": round(float((highlights.majority_indices >= 0).float().mean()), 2),
        "std": round(float(highlights.last.stds.mean()), 2),
    }


def mini(steps: int) -> dict[str, Any]:
    model = load("caffenet-mini")
    return {
        f"{layer}, {name}, {rule}": figures(model, layer, units, preset, steps=steps)
        for layer, units in MINI.items()
        for name in PAPER
        for rule, preset in rules(PRESETS[name], model.input_size[1]).items()
    }


def squeezenet(steps: int, weights: str | None) -> dict[str, Any]:
    model = load("squeezenet1_0", weights=weights)
    return {
        f"{layer}, {name}, {size} px, {rule}": figures(model, layer, units, preset, steps=steps, size=size)
        for layer, units in SQUEEZENET.items()
        for name in ("smooth", "outline")
        for size in SIZES
        for rule, preset in rules(PRESETS[name], size).items()
        if rule != "widths"
    }


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else STEPS
    before, weights = machine(), squeezenet_weights()
    on_squeezenet = squeezenet(steps, weights)
    show("sizes", before, steps=steps, weights=weights_note(weights), mini=mini(steps), squeezenet=on_squeezenet)


if __name__ == "__main__":
    main()
