"""Whether another network recognises the pictures: made on squeezenet1_0, shown to caffenet-mini. Prints JSON.

The labels that both networks have, all 200 of caffenet-mini's; 27 of them unless told otherwise. For each, a picture of its
logit (before the ReLU, averaged over the picture) with the preset "robust", 200 steps, and one with Lucent's defaults (Fourier,
decorrelated colour, its standard transforms, Adam, 192 steps; 128 px, which it scales to 224), in the same batches. A picture
counts where its class is among caffenet-mini's top 5; by chance 2.5 % do. Ours are shown as `Visualization.render` shows them.

The preset's numbers were chosen with labels 0, 7, 14, 22, 29, ... (every 7.4th) of this list, by what caffenet-mini said; the
labels here are others, but for two. Lucent is wanted for this alone, without what it depends on:
``pip install --no-deps torch-lucent==0.1.8 kornia==0.4.1 tqdm``.

    python -m tests.benchmarks.bench_transfer [first label] [every] [count]
"""

from __future__ import annotations

import copy
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from deepvis_widgets.models import load
from deepvis_widgets.synthesis import PRESETS, visualize
from tests.benchmarks.report import machine, show, squeezenet_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from deepvis_widgets.models import VisionModel

LAYER = "classifier.1"
SIZE = 128
BATCH = 9
LUCENT_STEPS = 192


def robust(maker: VisionModel, classes: Sequence[int], seed: int) -> NDArray[np.uint8]:
    """(B, H, W, 3)."""
    options = PRESETS["robust"].at(maker.input_size[1:]).options()
    seeds = range(seed, seed + len(classes))
    return visualize(maker, LAYER, classes, position="mean", size=SIZE, seeds=seeds, **options).render(shared=False)


def lucent(maker: VisionModel, classes: Sequence[int], seed: int) -> NDArray[np.uint8]:
    """The same with Lucent, on a copy, since it leaves hooks and gradients behind."""
    try:
        from lucent.optvis import objectives, param, render
    except ImportError as error:
        raise SystemExit(f"Lucent is missing, see the top of {__file__}: {error}") from error
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - what it draws from
    each = [objectives.channel(LAYER.replace(".", "_"), unit, batch=b) for b, unit in enumerate(classes)]
    pictures = render.render_vis(
        copy.deepcopy(maker.module), objectives.Objective.sum(each), lambda: param.image(SIZE, batch=len(classes)),
        thresholds=(LUCENT_STEPS,), progress=False, show_image=False,
    )  # fmt: skip
    return (pictures[-1] * 255).round().astype(np.uint8)


def judged(judge: VisionModel, pictures: NDArray[np.uint8], labels: Sequence[str]) -> list[int]:
    """How many of the judge's classes come before the right one, for each picture."""
    with torch.inference_mode():
        probabilities = judge.module(judge.preprocess(pictures))
    own = probabilities.gather(1, torch.tensor([[judge.labels.index(label)] for label in labels]))
    return (probabilities > own).sum(1).tolist()


def figures(make: Callable[..., Any], maker: VisionModel, judge: VisionModel, labels: Sequence[str]) -> dict[str, Any]:
    begin, ranks = time.perf_counter(), []
    for at in range(0, len(labels), BATCH):
        batch = labels[at : at + BATCH]
        pictures = make(maker, [maker.labels.index(label) for label in batch], at)
        ranks += judged(judge, pictures, batch)
    seconds = time.perf_counter() - begin
    hits = sum(rank < 5 for rank in ranks)
    recognised = [label for label, rank in zip(labels, ranks, strict=True) if rank < 5]
    return {"hits": hits, "share": round(hits / len(ranks), 3), "median_rank": float(np.median(ranks)) + 1,
            "seconds": round(seconds, 1), "recognised": recognised}  # fmt: skip


def main() -> None:
    first, every, count = (int(value) for value in (*sys.argv[1:], *("5", "7", "27")[len(sys.argv) - 1 :]))
    before, weights = machine(), squeezenet_weights()
    if weights is None:
        raise SystemExit("without squeezenet1_0's real weights there is nothing to recognise")
    maker, judge = load("squeezenet1_0", weights=weights), load("caffenet-mini")
    shared = [label for label in judge.labels if label in maker.labels]
    labels = shared[first::every][:count]
    results = {make.__name__: figures(make, maker, judge, labels) for make in (robust, lucent)}
    show("transfer", before, shared_labels=len(shared), labels=labels, size=SIZE, goal="twice Lucent's share", **results)


if __name__ == "__main__":
    main()
