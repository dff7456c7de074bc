"""What a step costs over its floor: squeezenet1_0 at 224, a channel of features.9. Prints JSON.

The floor is one forward and backward pass to the input of the network cut off at the layer: weights frozen, channels last,
bfloat16 autocast where the processor has it. Floor and ours take turns, and medians are compared.

    python tests/benchmarks/bench_synthesis.py [seconds a figure]
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import torch

from deepvis_widgets.models import load
from deepvis_widgets.synthesis import PRESETS, Regularization, ascend
from deepvis_widgets.synthesis.gradient import has_bfloat16

if TYPE_CHECKING:
    from collections.abc import Callable

LAYER = "features.9"
FOUR = Regularization(decay=1e-4, blur_sigma=1, blur_every=4, norm_percentile=20, contribution_percentile=20)
NINE = tuple(Regularization(decay=1e-4, blur_sigma=0.4 + 0.2 * k, blur_every=4) for k in range(9))


def floor(batch: int) -> Callable[[], Any]:
    trunk = load("squeezenet1_0", weights=None).module.features[:10].requires_grad_(requires_grad=False)
    trunk = trunk.to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    low = has_bfloat16(torch.device("cpu"))

    def run() -> None:
        leaf = x.detach().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            y = trunk(leaf)
        torch.autograd.grad(y[:, 7].float().mean((1, 2)).sum(), leaf)

    return run


def steps(batch: int, regularization: Any) -> Callable[[], Any]:
    model = load("squeezenet1_0", weights=None)
    options: Any = {"position": "mean", "regularization": regularization, "step_size": 100.0, "seeds": tuple(range(batch))}
    run = ascend(model, LAYER, 7, steps=10**9, **options)
    return lambda: [next(run) for _ in range(4)]  # one blur in four


def ratio(batch: int, regularization: Any, seconds: float) -> dict[str, float]:
    base, ours = floor(batch), steps(batch, regularization)
    times: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 3:
        for run, taken, each in ((base, times[0], 1), (ours, times[1], 4)):
            start = time.perf_counter()
            run()
            taken.append((time.perf_counter() - start) / each * 1e3)
    medians = [statistics.median(taken[1:]) for taken in times]
    return {"floor_ms": round(medians[0], 2), "step_ms": round(medians[1], 2), "ratio": round(medians[1] / medians[0], 3)}


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    smooth = PRESETS["smooth"].regularization
    cases = {"preset 3, batch 1": (1, smooth), "preset 3, batch 9": (9, smooth), "four priors, batch 1": (1, FOUR),
             "four priors, batch 9": (9, FOUR), "nine settings": (9, NINE)}  # fmt: skip
    figures = {name: ratio(batch, regularization, seconds) for name, (batch, regularization) in cases.items()}
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "figures": figures}, indent=1))


if __name__ == "__main__":
    main()
