"""What a step of `ascend` costs: over its floor, against Lucent's, and by the size of the batch. Prints JSON.

The floor is one forward and backward pass to the input of the network cut off at the layer: weights frozen, channels last,
bfloat16 autocast where the processor has it. Whatever is compared takes turns in one loop, and medians are compared. All
networks have random weights and all objectives are a whole channel.

Lucent runs as it comes: a picture of 128 pixels, which it scales to 224, with its transforms. It is needed for this alone:

    pip install --no-deps torch-lucent kornia==0.4.1 decorator tqdm
    python -m tests.benchmarks.bench_synthesis [seconds a figure]
"""

from __future__ import annotations

import copy
import statistics
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch

from deepvis_widgets.models import load
from deepvis_widgets.synthesis import PRESETS, Regularization, ascend
from deepvis_widgets.synthesis.gradient import has_bfloat16
from deepvis_widgets.synthesis.sweep import fitting_batch
from tests.benchmarks.report import machine, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deepvis_widgets.models import VisionModel

LAYER, UNIT, SIZE = "features.9", 7, 224
SMOOTH = PRESETS["smooth"].regularization
FOUR = Regularization(decay=1e-4, blur_sigma=1, blur_every=4, norm_percentile=20, contribution_percentile=20)
NINE = tuple(Regularization(decay=1e-4, blur_sigma=0.4 + 0.2 * k, blur_every=4) for k in range(9))
CASES = {  # batch, settings, goal: step over floor
    "preset smooth, batch 1": (1, SMOOTH, 1.15),
    "preset smooth, batch 9": (9, SMOOTH, 1.08),
    "four priors, batch 1": (1, FOUR, 1.25),
    "four priors, batch 9": (9, FOUR, 1.15),
    "nine settings": (9, NINE, 1.3),
}
PEERS = {("squeezenet1_1", "features.9"): 4, ("resnet18", "layer3"): 3}  # goal: Lucent's step over ours
CHUNK = 4  # steps at a time: one blur in four
BATCHES = {"caffenet-mini": ("conv5", (1, 9, 27, 54, 113)), "squeezenet1_0": (LAYER, (1, 4, 9, 18))}


def floor(batch: int) -> Callable[[], list[float]]:
    """Milliseconds of one pass."""
    trunk = load("squeezenet1_0", weights=None).module.features[:10].requires_grad_(requires_grad=False)
    trunk = trunk.to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    low = has_bfloat16(torch.device("cpu"))

    def run() -> None:
        leaf = x.detach().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            y = trunk(leaf)
        torch.autograd.grad(y[:, UNIT].float().mean((1, 2)).sum(), leaf)

    return lambda: [timed(run) for _ in range(CHUNK)]


def ours(model: VisionModel, layer: str, batch: int, regularization: Any) -> Callable[[], list[float]]:
    """Milliseconds of a step, from the middle of a run that goes on and on; the one with the blur counts for a quarter."""
    options: Any = {"position": "mean", "regularization": regularization, "step_size": 100.0, "seeds": tuple(range(batch))}
    run = ascend(model, layer, UNIT, steps=10**9, **options)
    return lambda: [timed(lambda: [next(run) for _ in range(CHUNK)]) / CHUNK]


def lucents(model: VisionModel, layer: str) -> Callable[[], list[float]]:
    """Milliseconds from one call of its objective to the next, which is one step."""
    from lucent.optvis import objectives, render

    def run() -> list[float]:
        calls: list[float] = []

        def channel(activations: Callable[[str], torch.Tensor]) -> torch.Tensor:
            calls.append(time.perf_counter())
            return -activations(layer.replace(".", "_"))[:, UNIT].mean()

        fresh = copy.deepcopy(model.module).eval()  # its hooks stay, and would slow down the next run
        render.render_vis(
            fresh, objectives.Objective(channel, "channel"), thresholds=(CHUNK + 2,), progress=False, show_image=False
        )
        return [(b - a) * 1e3 for a, b in pairwise(calls[1:])]

    return run


def timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def medians(runs: Mapping[str, Callable[[], list[float]]], seconds: float) -> dict[str, float]:
    """Of each, in turns until the time is up, the first turn left out."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, taken.values())) < 3:
        for name, run in runs.items():
            taken[name] += run()
    return {name: round(statistics.median(times), 2) for name, times in taken.items()}


def over_floor(seconds: float) -> dict[str, Any]:
    """Each case against the floor with the same batch."""
    figures: dict[str, Any] = {}
    model = load("squeezenet1_0", weights=None)
    for batch in sorted({batch for batch, _, _ in CASES.values()}):
        here = {name: settings for name, (size, settings, _) in CASES.items() if size == batch}
        runs = {"floor": floor(batch)} | {name: ours(model, LAYER, batch, settings) for name, settings in here.items()}
        found = medians(runs, seconds * len(here))
        for name in here:
            ratio = round(found[name] / found["floor"], 3)
            figures[name] = {"floor_ms": found["floor"], "step_ms": found[name], "ratio": ratio, "goal": CASES[name][2]}
    return figures


def against_lucent(seconds: float) -> dict[str, Any] | str:
    """Same network, same weights, same layer."""
    try:
        import lucent  # noqa: F401 - is it there?
    except ModuleNotFoundError as missing:
        return f"not measured: {missing.name} is not installed, see the top of this file"
    figures = {}
    for (name, layer), goal in PEERS.items():
        model = load(name, weights=None)
        found = medians({"lucent": lucents(model, layer), "ours": ours(model, layer, 1, SMOOTH)}, seconds)
        ratio = round(found["lucent"] / found["ours"], 2)
        figures[f"{name} {layer}"] = {"lucent_ms": found["lucent"], "ours_ms": found["ours"], "ratio": ratio, "goal": goal}
    return figures


def by_batch(seconds: float) -> dict[str, Any]:
    """Milliseconds a picture and step: from where on does a larger batch gain nothing?"""
    figures = {}
    for name, (layer, batches) in BATCHES.items():
        model = load(name, **({} if name == "caffenet-mini" else {"weights": None}))
        found = medians({str(batch): ours(model, layer, batch, SMOOTH) for batch in batches}, seconds)
        fitting = fitting_batch(model.device, model.input_size[1:])
        figures[name] = {"ms_a_picture": {b: round(ms / int(b), 3) for b, ms in found.items()}, "fitting_batch": fitting}
    return figures


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    before = machine()
    about = {"threads": torch.get_num_threads(), "bfloat16": has_bfloat16(torch.device("cpu"))}
    show(
        "synthesis",
        before,
        **about,
        over_floor=over_floor(seconds),
        against_lucent=against_lucent(seconds),
        by_batch=by_batch(seconds),
    )


if __name__ == "__main__":
    main()
