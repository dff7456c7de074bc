"""The pictures that an optimisation starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deepvis_widgets.models import VisionModel

NOISE = 10.0  # grey levels
KINDS = ("mean_plus_noise", "uniform", "mean")


def start_pictures(start: Any, seeds: Sequence[int], model: VisionModel, size: tuple[int, int]) -> Tensor:
    """One picture a seed.

    Args:
        start: "mean_plus_noise" (the mean colour with normal noise of 10 grey levels), "uniform" (uniform in 0..255),
            "mean", a float tensor (C, H, W) or (B, C, H, W) of pictures as `Step.x` has them, or any picture that
            `VisionModel.preprocess` takes.
        seeds: of numpy's legacy generator, which the toolbox used, so that the same seed starts from the same picture.
        model: the network.
        size: height and width.

    Returns:
        (B, C, H, W) float32 on the CPU, 0..255 minus the mean colour.

    Raises:
        ValueError: no such start, or a tensor of another shape.
    """
    shape = (model.input_size[0], *size)
    if isinstance(start, Tensor):
        return _given(start, len(seeds), shape)
    if isinstance(start, str) and start in KINDS:
        return torch.from_numpy(np.stack([_drawn(start, seed, shape, model.mean) for seed in seeds]))
    if isinstance(start, str):
        raise ValueError(f"start must be one of {', '.join(KINDS)}, a tensor or a picture, not {start!r}")
    std = torch.tensor(model.std).view(-1, 1, 1) * 255
    return _given(model.preprocess(start).cpu() * std, len(seeds), shape)


def _drawn(kind: str, seed: int, shape: tuple[int, ...], mean: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    random = np.random.RandomState(seed)
    if kind == "mean_plus_noise":
        return np.asarray(random.normal(0, NOISE, shape), np.float32)
    if kind == "uniform":
        return np.asarray(random.uniform(0, 255, shape) - 255 * np.reshape(mean, (-1, 1, 1)), np.float32)
    return np.zeros(shape, np.float32)


def _given(x: Tensor, count: int, shape: tuple[int, ...]) -> Tensor:
    batch = x.detach().cpu().float()
    batch = batch[None] if batch.ndim == 3 else batch
    if batch.ndim != 4 or batch.shape[1:] != shape or len(batch) not in (1, count):
        raise ValueError(f"the picture to start from must be {shape} or ({count}, ...) of it, not {tuple(x.shape)}")
    return batch.expand(count, *shape).clone()
