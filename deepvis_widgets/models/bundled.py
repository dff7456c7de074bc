"""caffenet-mini: the bundled network, in the paper's language (conv1..conv5, pool1, pool2, pool5, fc6, fc7, fc8, prob)."""

from __future__ import annotations

import json
from collections import OrderedDict
from importlib import resources
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import fusion

from .vision_model import IMAGENET_MEAN, IMAGENET_STD, VisionModel

NAME = "caffenet-mini"
CLASSES = 200
MARGIN = 72 / 64  # pictures are scaled to 72 px and the centre is cut out, as 256 and 224 are usual for ImageNet


class Block(nn.Sequential):
    """A convolution or a linear map with what belongs to it; its output is what Caffe calls the layer (after the ReLU)."""

    @classmethod
    def of(cls, **parts: nn.Module | None) -> Block:
        """A block of the named parts, those that are None left out."""
        return cls(OrderedDict((name, part) for name, part in parts.items() if part is not None))


class CaffeNetMini(nn.Module):
    """CaffeNet (Krizhevsky et al. 2012, as shipped with Caffe) scaled down to 64x64 pictures.

    ``forward`` takes (N, 3, H, W) normalised float, H and W at least 64 (64 is what it was trained on; 96 and 128 give finer
    maps), and returns the probabilities (N, 200), as Caffe's deploy network does; the logits are the layer ``fc8``.

    Args:
        training_parts: add the batch norm and dropout that training uses; `folded` takes them out again.
    """

    def __init__(self, *, training_parts: bool = False) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> Block:
            return Block.of(
                conv=nn.Conv2d(inputs, outputs, size, stride, size // 2),
                norm=nn.BatchNorm2d(outputs) if training_parts else None,
                relu=nn.ReLU(inplace=True),
            )

        def linear(inputs: int, outputs: int) -> Block:
            return Block.of(
                linear=nn.Linear(inputs, outputs),
                norm=nn.BatchNorm1d(outputs) if training_parts else None,
                relu=nn.ReLU(inplace=True),
                dropout=nn.Dropout(0.2) if training_parts else None,
            )

        self.conv1 = conv(3, 64, 5, stride=2)
        self.pool1 = nn.MaxPool2d(3, 2, 1)
        self.conv2 = conv(64, 160, 3)
        self.pool2 = nn.MaxPool2d(3, 2, 1)
        self.conv3 = conv(160, 256, 3)
        self.conv4 = conv(256, 192, 3)
        self.conv5 = conv(192, 192, 3)
        self.pool5 = nn.MaxPool2d(3, 2, 1)
        self.fc6 = linear(192 * 4 * 4, 512)
        self.fc7 = linear(512, 512)
        self.fc8 = nn.Linear(512, CLASSES)
        self.prob = nn.Softmax(dim=1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, 200), what ``fc8`` computes."""
        x = self.pool1(self.conv1(x))
        x = self.pool2(self.conv2(x))
        x = self.pool5(self.conv5(self.conv4(self.conv3(x))))
        # At 64 px the maps are 4x4 already; larger pictures are averaged down to what fc6 takes.
        logits: torch.Tensor = self.fc8(self.fc7(self.fc6(F.adaptive_avg_pool2d(x, 4).flatten(1))))
        return logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, 200) probabilities."""
        probabilities: torch.Tensor = self.prob(self.logits(x))
        return probabilities

    def folded(self) -> CaffeNetMini:
        """The same function without training parts: batch norm folded into the weights, dropout gone (in eval mode)."""
        plain = CaffeNetMini()
        for name, block in self.eval().named_children():
            if isinstance(block, Block):
                fuse: Any = fusion.fuse_conv_bn_eval if hasattr(block, "conv") else fusion.fuse_linear_bn_eval
                weights = fuse(block[0], block.norm).state_dict()
                getattr(plain, name)[0].load_state_dict(weights)
        plain.fc8.load_state_dict(self.fc8.state_dict())
        return plain.eval()


def load_bundled() -> VisionModel:
    """caffenet-mini with its weights and labels, read from inside the package: no download."""
    folder = resources.files(__package__) / "data"
    with torch.device("meta"):  # no random values that would be thrown away: the global random state stays as it is
        module = CaffeNetMini()
    weights = load_safetensors((folder / "caffenet-mini.safetensors").read_bytes())
    module.load_state_dict({name: value.float() for name, value in weights.items()}, assign=True)
    labels = json.loads((folder / "caffenet-mini.labels.json").read_text(encoding="utf-8"))
    return as_model(module, labels)


def as_model(module: CaffeNetMini, labels: list[str]) -> VisionModel:
    """A network of this kind with its input format."""
    return VisionModel(NAME, module.eval(), (3, 64, 64), IMAGENET_MEAN, IMAGENET_STD, tuple(labels), MARGIN)
