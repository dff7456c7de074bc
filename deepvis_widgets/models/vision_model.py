"""VisionModel: a network together with what it takes to look at it."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode

from . import images as pictures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class VisionModel:
    """A network, its input format and its class names as one value.

    Attributes:
        name: what it is called on screen and in saved files.
        module: the network; the user's own object, never changed by looking at it.
        input_size: (channels, height, width) of one picture.
        mean: per channel, of pictures in 0..1; subtracted first.
        std: per channel; divided by after.
        labels: class names in the order of the outputs, or None.
        margin: a picture is scaled to cover `input_size` times this before the centre is cut out (ImageNet: 256 / 224).
        interpolation: how it is scaled.
        lock: held during each pass, so that two threads do not disturb one another.
    """

    name: str
    module: nn.Module
    input_size: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    labels: tuple[str, ...] | None = None
    margin: float = 1.0
    interpolation: InterpolationMode = InterpolationMode.BILINEAR
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def device(self) -> torch.device:
        """Where the network's parameters are; the CPU when it has none."""
        return next((tensor.device for tensor in self._tensors()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in; float32 when it has no parameters."""
        return next((tensor.dtype for tensor in self._tensors() if tensor.is_floating_point()), torch.float32)

    def to(self, device: str | torch.device) -> VisionModel:
        """Move the network, as `torch.nn.Module.to` does, and return this model."""
        self.module.to(device)
        return self

    def preprocess(self, images: Any) -> Tensor:  # takes whatever a user has
        """Pictures -> what the network takes.

        Args:
            images: one picture or a list of them: a path, bytes, a PIL image, a uint8 array (H, W, C) or (N, H, W, C), a
                uint8 tensor (C, H, W) or (N, C, H, W). A float tensor (N, C, H, W) counts as preprocessed already.

        Returns:
            (N, C, H, W) float32 on `device`, normalised.

        Raises:
            ImageError: a picture cannot be used; nothing is returned then, whatever the others are.
        """
        if isinstance(images, Tensor) and images.is_floating_point():
            return self._preprocessed(images)
        size = self.input_size[1:]
        decoded = (pictures.decode(image, self.input_size[0]) for image in pictures.as_list(images))
        fitted = [pictures.fit(image, size, self.margin, self.interpolation) for image in decoded]
        return self.normalize(torch.stack(fitted).to(self.device))

    def normalize(self, x: Tensor) -> Tensor:
        """(N, C, H, W) float in 0..1 -> normalised as the network was trained."""
        mean, std = (torch.tensor(values, dtype=x.dtype, device=x.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (x - mean) / std

    def _preprocessed(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != self.input_size[0]:
            wanted = f"(N, {self.input_size[0]}, H, W)"
            raise pictures.ImageError(f"a float tensor counts as preprocessed and must be {wanted}, not {tuple(x.shape)}")
        return x.to(self.device, torch.float32)

    def _tensors(self) -> Iterator[Tensor]:
        return itertools.chain(self.module.parameters(), self.module.buffers())


def wrap(
    module: nn.Module,
    *,
    input_size: Sequence[int],
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    labels: Sequence[str] | None = None,
    name: str | None = None,
) -> VisionModel:
    """Any network of yours as a `VisionModel`.

    Args:
        module: takes a float tensor (N, C, H, W).
        input_size: (C, H, W).
        mean: per channel, in 0..1; ImageNet's for three channels unless given, else 0.
        std: per channel, likewise; else 1.
        labels: class names, in the order of the outputs.
        name: what to call it; the class's name unless given.

    Raises:
        TypeError: ``module`` is not a ``torch.nn.Module``.
        ValueError: the sizes do not fit together.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, not {type(module).__name__}")
    size = tuple(int(side) for side in input_size)
    if len(size) != 3 or min(size) < 1:
        raise ValueError(f"input_size must be (channels, height, width), all at least 1, not {tuple(input_size)}")
    module = getattr(module, "_orig_mod", module)  # what torch.compile wrapped: its layers cannot be seen through the wrapper
    colour = size[0] == 3
    mean = tuple(mean) if mean is not None else IMAGENET_MEAN if colour else (0.0,) * size[0]
    std = tuple(std) if std is not None else IMAGENET_STD if colour else (1.0,) * size[0]
    if len(mean) != size[0] or len(std) != size[0] or min(std) <= 0:
        raise ValueError(f"mean and std need {size[0]} values each, std above 0; got mean {mean}, std {std}")
    return VisionModel(name or type(module).__name__, module, size, mean, std, tuple(labels) if labels is not None else None)
