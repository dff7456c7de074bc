"""What a frame costs over its floor: `LivePipeline.step` against the bare network, squeezenet1_0 at 224. Prints JSON.

With top-5 the floor is the whole network; without (k = 0) it is the network cut off at the layer. The floor takes a ready
float tensor, channels last as its own weights are, in inference mode; the step takes a camera frame of bytes. The two take
turns in one loop, and medians are compared. With a GPU, also the frames a second of `LivePipeline.step` there.

    python -m tests.benchmarks.bench_step [rounds]
"""

from __future__ import annotations

import copy
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from deepvis_widgets import LivePipeline, VisionModel, load
from tests.benchmarks.report import machine, show, squeezenet_weights, weights_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LAYERS = ("features.3", "features.7", "features.12")
K = (5, 0)
GOAL = 1.25
ROUNDS = 100
WARM_UP = 5


def bare(model: VisionModel, layer: str, *, whole: bool) -> Callable[[], Any]:
    """A forward pass of the same depth and nothing else."""
    module: Any = copy.deepcopy(model.module)
    trunk = module if whole else module.features[: int(layer.partition(".")[2]) + 1]
    network = trunk.eval().to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, *model.input_size, generator=generator, dtype=model.dtype).to(memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode():
            network(x)

    return run


def step(model: VisionModel, layer: str, k: int) -> Callable[[], Any]:
    """A camera frame through the pipeline, another one each time."""
    pipeline, frames = LivePipeline(model, layer, k=k), pictures(model)
    return lambda: pipeline.step(next(frames))


def pictures(model: VisionModel) -> Iterator[Any]:
    """RGBA frames as the browser sends them, of the network's own size, for ever."""
    frames = np.random.default_rng(0).integers(0, 256, (8, *model.input_size[1:], 4), np.uint8)
    while True:
        yield from frames


def milliseconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def compare(floor: Callable[[], Any], ours: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Medians of the two in turns, each as often first as second."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(WARM_UP + rounds):
        for which in (0, 1) if round_ % 2 else (1, 0):
            times[which].append(milliseconds((floor, ours)[which]))
    bare_ms, step_ms = (statistics.median(taken[WARM_UP:]) for taken in times)
    return {"bare_ms": round(bare_ms, 2), "step_ms": round(step_ms, 2), "ratio": round(step_ms / bare_ms, 3)}


def gpu(weights: str | None, rounds: int) -> dict[str, float]:
    """Frames a second there; a step ends with its maps in the CPU's memory, so its end is the GPU's too."""
    model = load("squeezenet1_0", weights=weights).to("cuda")
    figures = {}
    for layer in LAYERS:
        run = step(model, layer, 5)
        times = [milliseconds(run) for _ in range(WARM_UP + rounds)]
        figures[layer] = round(1e3 / statistics.median(times[WARM_UP:]), 1)
    return figures


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    before, weights = machine(), squeezenet_weights()
    model = load("squeezenet1_0", weights=weights)
    figures = {
        f"{layer}, {'top-5' if k else 'k=0'}": compare(bare(model, layer, whole=k > 0), step(model, layer, k), rounds)
        for k in K
        for layer in LAYERS
    }
    about = {"threads": torch.get_num_threads(), "dtype": str(model.dtype), "rounds": rounds, "weights": weights_note(weights)}
    worst = max(figure["ratio"] for figure in figures.values())
    on_gpu = {"gpu": torch.cuda.get_device_name(), "gpu_fps": gpu(weights, rounds)} if torch.cuda.is_available() else {}
    show("step", before, **about, goal=f"ratio <= {GOAL}", worst_ratio=worst, figures=figures, **on_gpu)


if __name__ == "__main__":
    main()
