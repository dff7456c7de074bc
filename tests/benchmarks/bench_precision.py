"""Whether bfloat16 costs anything but time: scores reached in as many steps with it and with float32. Prints JSON.

Ten classes of squeezenet1_0 and ten channels of its features.9, the preset "smooth"; one start each. Both pictures are judged
by the network in float32. Both precisions are insisted on, whatever this processor would choose.

    python -m tests.benchmarks.bench_precision [steps]
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import torch

from deepvis_widgets.models import load
from deepvis_widgets.synthesis import PRESETS, ascend, visualize
from deepvis_widgets.synthesis.gradient import has_bfloat16
from tests.benchmarks.report import machine, show, squeezenet_weights, weights_note

if TYPE_CHECKING:
    from deepvis_widgets.models import VisionModel
    from deepvis_widgets.synthesis.gradient import Precision

TARGETS: tuple[tuple[str, Any, tuple[int, ...]], ...] = (
    ("output", None, (1, 69, 105, 130, 151, 315, 340, 417, 817, 954)),
    ("features.9", "mean", (3, 43, 83, 123, 163, 203, 243, 283, 323, 363)),
)
STEPS, GOAL = 200, 0.05


def reached(model: VisionModel, precision: Precision, steps: int) -> tuple[list[float], float]:
    """Score of every unit's best picture in float32, and the seconds it took."""
    scores, seconds = [], 0.0
    options = PRESETS["smooth"].options() | {"steps": steps, "precision": precision}
    for layer, position, units in TARGETS:
        seeds, began = range(len(units)), time.perf_counter()
        x = visualize(model, layer, units, position=position, seeds=seeds, **options).x
        seconds += time.perf_counter() - began
        judge = ascend(model, layer, units, position=position, seeds=seeds, start=x, steps=1, precision="float32")
        scores += next(judge).scores.tolist()
    return scores, seconds


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else STEPS
    before, weights = machine(), squeezenet_weights()
    model = load("squeezenet1_0", weights=weights)
    (low, low_s), (full, full_s) = (reached(model, precision, steps) for precision in ("bfloat16", "float32"))
    changes = [a / b - 1 for a, b in zip(low, full, strict=True)]
    show(
        "precision", before, steps=steps, units=len(changes), weights=weights_note(weights),
        native=has_bfloat16(torch.device("cpu")), goal=f"|mean_change| <= {GOAL}",
        mean_change=round(statistics.mean(changes), 4), mean_absolute_change=round(statistics.mean(map(abs, changes)), 4),
        worst_change=round(max(changes, key=abs), 4), seconds={"bfloat16": round(low_s, 1), "float32": round(full_s, 1)},
        scores=[[round(a, 3), round(b, 3)] for a, b in zip(low, full, strict=True)],
    )  # fmt: skip


if __name__ == "__main__":
    main()
