"""The kernel side of one frame: pixels in, every map of a layer and the top classes out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deepvis_widgets.activations import Inspector, Prediction
from deepvis_widgets.activations.heatmaps import Heatmaps, Range, as_maps, shrink, to_bytes
from deepvis_widgets.activations.inspector import top_k
from deepvis_widgets.activations.recorder import record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from deepvis_widgets.models import VisionModel

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, what PIL's conversion to grey uses


@dataclass(frozen=True)
class GridFrame(Heatmaps):
    """What one frame becomes: the layer's maps as bytes, and the predictions.

    Attributes:
        layer: which layer it is.
        predictions: most probable first; empty where the network is no classifier, or none were asked for.
        seconds: how long it took.
    """

    layer: str = ""
    predictions: tuple[Prediction, ...] = ()
    seconds: float = 0.0


class LivePipeline:
    """Turns frames into grids; needs no notebook.

    Args:
        model: the network; it runs where it is.
        layer: the name of the layer to show; may be set at any time, also from another thread.
        k: how many predictions; 0 stops the pass at the layer, which is faster.
        tile: maps with more pixels a side than this are averaged down to it.
        smoothing: of the range from frame to frame, see `Range`.
        inspector: of the same model, if there is one already: finding the layers takes a pass.

    Raises:
        ValueError: no such layer.
    """

    def __init__(
        self,
        model: VisionModel,
        layer: str,
        *,
        k: int = 5,
        tile: int = 256,
        smoothing: float = 0.0,
        inspector: Inspector | None = None,
    ) -> None:
        self.model, self.k, self.tile, self.smoothing = model, k, tile, smoothing
        self.inspector = inspector or Inspector(model)
        self.layer = layer

    @property
    def layer(self) -> str:
        """The layer shown."""
        return self._layer[0].name

    @layer.setter
    def layer(self, name: str) -> None:
        # One value, so that a step in another thread never sees the layer of one and the range of the other.
        self._layer = (self.inspector.layer(name), Range(self.smoothing))

    def step(self, frame: NDArray[np.uint8], *, predict: bool = True) -> GridFrame:
        """One frame.

        Args:
            frame: (H, W, 3) or (H, W, 4) uint8; of other sizes than the network takes, its centre is cut out and resized.
            predict: whether the predictions are wanted for this frame; without them the pass ends at the layer.

        Raises:
            ValueError: the frame has another shape, or the network takes neither one nor three channels.
        """
        start = time.perf_counter()
        layer, span = self._layer
        with torch.inference_mode():
            # The maps are packed while the network runs, straight from what the layer computed: that saves a copy.
            to_end = predict and self.k > 0
            recording = record(self.model, self._input(frame), [layer], to_end=to_end, keep=lambda a: self._pack(a, span))
            heatmaps = recording.activations[layer.name]
            predictions = self._predictions(recording.output) if to_end else ()
        return GridFrame(**vars(heatmaps), layer=layer.name, predictions=predictions, seconds=time.perf_counter() - start)

    def predict(self, frame: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        """Only the predictions of one frame; as `step`."""
        with torch.inference_mode():
            return self._predictions(record(self.model, self._input(frame), [], to_end=True).output) if self.k else ()

    def _pack(self, activation: Tensor, span: Range) -> Heatmaps:
        return to_bytes(shrink(as_maps(activation[0]), self.tile), span)

    def _input(self, frame: NDArray[np.uint8]) -> Tensor:
        if frame.ndim != 3 or frame.shape[2] not in (3, 4) or frame.dtype != np.uint8 or 0 in frame.shape:
            raise ValueError(f"a frame must be (H, W, 3 or 4) uint8, not {frame.shape} {frame.dtype}")
        channels, *size = self.model.input_size
        if channels not in (1, 3):
            raise ValueError(f"{self.model.name} takes {channels} channels; a camera gives 3")
        pixels = torch.from_numpy(np.require(frame, requirements=["C", "W"])).to(self.model.device).float()[..., :3]
        if list(pixels.shape[:2]) != size:
            pixels = _cover(pixels, size, self.model.margin)
        if channels == 1:
            pixels = (pixels * pixels.new_tensor(LUMINANCE)).sum(-1, keepdim=True)
        # (x / 255 - mean) / std in one pass. (H, W, C) is channels last in memory already, which convolutions want.
        mean, std = (pixels.new_tensor(values) for values in (self.model.mean, self.model.std))
        x = torch.empty(pixels.shape, device=pixels.device)
        return torch.addcmul(-mean / std, pixels, 1 / (255 * std), out=x)[None].permute(0, 3, 1, 2)

    def _predictions(self, output: Any) -> tuple[Prediction, ...]:  # a network returns what it likes
        try:
            return top_k(self.model, output, self.k)[0]
        except ValueError:
            return ()


def _cover(pixels: Tensor, size: list[int], margin: float) -> Tensor:
    """(H, W, C) scaled to cover the size times the margin, and its centre cut out, as `VisionModel.preprocess` does it."""
    tall, wide = pixels.shape[:2]
    scale = margin * max(size[0] / tall, size[1] / wide)
    scaled = [max(size[0], round(tall * scale)), max(size[1], round(wide * scale))]
    x = F.interpolate(pixels.permute(2, 0, 1)[None], scaled, mode="bilinear", antialias=True, align_corners=False)[0]
    top, left = (scaled[0] - size[0]) // 2, (scaled[1] - size[1]) // 2
    return x[:, top : top + size[0], left : left + size[1]].permute(1, 2, 0)
