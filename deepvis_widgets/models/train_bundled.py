"""Trains caffenet-mini on Tiny-ImageNet: ``python -m deepvis_widgets.models.train_bundled DATA OUT``.

DATA holds ``train-*.npz``, ``val.npz`` and ``labels.json``; each ``.npz`` has ``images`` (WebP files end to end, uint8),
``offsets`` (n + 1) and ``labels`` (n). OUT receives the weights (fp16 safetensors, batch norm folded away) and the labels;
it is rewritten after every epoch, so a run that is cut short leaves the network it had.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from .bundled import NAME, CaffeNetMini, as_model
from .vision_model import IMAGENET_MEAN, IMAGENET_STD, VisionModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Phase:
    """Some epochs at one picture size: small pictures first, because most of what is learned early needs no detail."""

    epochs: int
    size: int  # pixels a side
    smallest_crop: float  # share of the picture's area


@dataclass(frozen=True)
class Recipe:
    """One-cycle SGD. The defaults are what the shipped weights were trained with."""

    phases: tuple[Phase, ...] = (Phase(16, 48, 0.35), Phase(7, 56, 0.35), Phase(5, 64, 0.5))
    batch: int = 128
    peak_rate: float = 0.1
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    averaging: float = 0.998  # exponential moving average of the weights, per step
    seed: int = 0


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures (N, 64, 64, 3) uint8 and their labels (N,) int64."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def read(files: list[Path]) -> Pictures:
    """Decode every picture of the given ``.npz`` files."""

    def decode(data: bytes) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    pixels: list[np.ndarray] = []
    labels: list[Tensor] = []
    for file in files:
        with np.load(file) as stored:
            blob, offsets = stored["images"].tobytes(), stored["offsets"].tolist()
            labels.append(torch.from_numpy(stored["labels"].astype(np.int64)))
        with ThreadPoolExecutor() as pool:
            pixels += pool.map(decode, (blob[a:b] for a, b in pairwise(offsets)))
    return Pictures(torch.from_numpy(np.stack(pixels)), torch.cat(labels))


def normalise(pixels: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float, channels last in memory."""
    mean, std = torch.tensor(IMAGENET_MEAN) * 255, torch.tensor(IMAGENET_STD) * 255
    return ((pixels.float() - mean) / std).permute(0, 3, 1, 2)


def augment(x: Tensor, phase: Phase, generator: torch.Generator) -> Tensor:
    """A random crop of each picture (area and aspect as in Szegedy et al. 2015, half of them mirrored), at the phase's size."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(x), generator=generator)

    area, aspect = uniform(phase.smallest_crop, 1), torch.exp(uniform(-0.288, 0.288))
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    left, top = uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    theta = torch.zeros(len(x), 2, 3)
    theta[:, 0, 0], theta[:, 0, 2], theta[:, 1, 1], theta[:, 1, 2] = width * mirror, left, height, top
    grid = F.affine_grid(theta, [len(x), 3, phase.size, phase.size], align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


@torch.no_grad()
def accuracy(model: VisionModel, pictures: Pictures) -> float:
    """Top-1, each picture prepared as the package prepares it."""
    right = 0
    for pixels, labels in zip(pictures.pixels.split(500), pictures.labels.split(500), strict=True):
        x = model.preprocess(pixels.numpy()).contiguous(memory_format=torch.channels_last)
        right += int((model.module(x).argmax(1) == labels).sum())
    return right / len(pictures)


def save(network: CaffeNetMini, labels: list[str], out: Path) -> None:
    """Write the folded network as fp16 safetensors, and the labels beside it."""
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, out / f"{NAME}.safetensors")
    (out / f"{NAME}.labels.json").write_text(json.dumps(labels, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


class Training:
    """The network, its optimiser and its moving average, over one run."""

    def __init__(self, recipe: Recipe, steps: int) -> None:
        self.recipe = recipe
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.network = CaffeNetMini(training_parts=True).to(memory_format=torch.channels_last)
        rule = torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.averaging)
        self.average = torch.optim.swa_utils.AveragedModel(self.network, multi_avg_fn=rule, use_buffers=True)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        free = [p for p in self.network.parameters() if p.ndim == 1]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]
        self.optimizer = torch.optim.SGD(groups, recipe.peak_rate, momentum=0.9, nesterov=True)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.peak_rate, total_steps=steps, pct_start=0.15, cycle_momentum=False
        )

    def epoch(self, pictures: Pictures, phase: Phase) -> float:
        """One pass over the pictures; the mean loss."""
        self.network.train()
        total = 0.0
        order = torch.randperm(len(pictures), generator=self.generator)
        batches = order[: len(order) // self.recipe.batch * self.recipe.batch].split(self.recipe.batch)
        for batch in batches:
            total += self.step(augment(normalise(pictures.pixels[batch]), phase, self.generator), pictures.labels[batch])
        return total / len(batches)

    def step(self, x: Tensor, labels: Tensor) -> float:
        """One update; the loss before it."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self.network.logits(x.contiguous(memory_format=torch.channels_last))
        loss = nn.functional.cross_entropy(logits.float(), labels, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.network)
        return float(loss.detach())


def train(data: Path, out: Path, recipe: Recipe) -> None:
    """Train by the recipe and leave the averaged network in ``out``."""
    torch.manual_seed(recipe.seed)
    labels = [entry["name"] for entry in json.loads((data / "labels.json").read_text(encoding="utf-8"))]
    pictures, held_out = read(sorted(data.glob("train-*.npz"))), read([data / "val.npz"])
    epochs = [phase for phase in recipe.phases for _ in range(phase.epochs)]
    training = Training(recipe, len(epochs) * (len(pictures) // recipe.batch))
    for number, phase in enumerate(epochs, 1):
        began = time.monotonic()
        loss = training.epoch(pictures, phase)
        network = cast("CaffeNetMini", training.average.module).folded()
        save(network, labels, out)
        line = "epoch %d/%d at %d px: loss %.3f, top-1 %.4f, %.0f s"
        log.info(
            line, number, len(epochs), phase.size, loss, accuracy(as_model(network, labels), held_out), time.monotonic() - began
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(arguments.data, arguments.out, Recipe())


if __name__ == "__main__":
    main()
