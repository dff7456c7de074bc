"""PictureGrid: colour pictures as tiles on one canvas, a few that change many times a second or a gallery of hundreds."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from deepvis_widgets.synthesis.display import sheet

from .pixel_canvas import PixelCanvas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST = 6_000_000  # bytes sent at once; a gallery of more is shown smaller, as its tiles are on the screen anyway
IN_FLIGHT = 2  # live pictures that the page has not answered for; more would only be late
PATIENCE = 1.0  # seconds without an answer after which a page is taken to be gone, or asleep
LEAST = 256  # pixels; a picture of less is a stamp outside the widget


class PictureGrid(PixelCanvas):
    """A canvas of pictures. Hover tells a picture's label, a click selects it, a double click enlarges it.

    Attributes:
        unit: the number of the selected picture, -1 for none; set it, or observe it.
        caption: the line above.
    """

    def __init__(self, **traits: Any) -> None:
        self._sequence = self._shown = 0
        self._sent = -math.inf
        super().__init__(**traits)
        self.on_msg(self._answered)

    @property
    def ready(self) -> bool:
        """Whether to send a live picture now: the page keeps up, or has been silent for so long that it may be another one."""
        return self._sequence - self._shown < IN_FLIGHT or time.monotonic() - self._sent > PATIENCE

    def show(
        self,
        images: NDArray[np.uint8],
        labels: Sequence[str] = (),
        caption: str | None = None,
        *,
        keep: bool = True,
        places: int = 0,
        columns: int = 0,
    ) -> None:
        """Show pictures.

        Args:
            images: (B, H, W, C) uint8, as `Visualization.images`; of more than three channels the first three are shown, of one
                or two the first, as grey. B may be 0 where there are places.
            labels: one a picture, told under it where there is room and when it is hovered or selected.
            caption: the line above; as it was unless given.
            keep: also store them in the widget's state, for a view that comes later and for a saved notebook. Pictures that
                are still changing are not stored one by one: wait until `ready`, show them, and call `keep` when they stop.
            places: how many tiles there will be; those still to come are drawn empty, so that nothing moves when they do.
            columns: how many tiles a row has; as fits best unless given.

        Raises:
            ValueError: no such array, or not one label a picture.
        """
        if images.ndim != 4 or images.dtype != np.uint8:
            raise ValueError(f"pictures must be (B, H, W, C) of uint8, not {images.shape} of {images.dtype}")
        if labels and len(labels) != len(images):
            raise ValueError(f"there must be a label for each of the {len(images)} pictures, not {len(labels)}")
        shown = _shrunk(images[..., :3] if images.shape[3] >= 3 else images[..., :1].repeat(3, axis=3))
        self._sequence += 1
        self._sent = time.monotonic()
        if keep:
            self._shown = self._sequence
        header = {"units": len(shown), "height": shown.shape[1], "width": shown.shape[2], "sequence": self._sequence}
        header |= {"labels": list(labels), "places": max(places, len(shown)), "columns": columns}
        with self.hold_sync():
            if caption is not None:
                self.caption = caption
            self.unit = self.unit if self.unit < len(shown) else -1
            self._put("pictures", shown, header, [shown], keep=keep)

    def picture(self) -> Image.Image | None:
        """All of them on a sheet, large enough to be seen; None before there are any."""
        if self._last is None or not len(self._last[0]):
            return None
        return enlarged(Image.fromarray(sheet(self._last[0], columns=self._last[1]["columns"] or None)))

    def _answered(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if isinstance(content, dict) and content.get("kind") == "shown" and isinstance(content.get("sequence"), int):
            self._shown = max(self._shown, min(content["sequence"], self._sequence))


def enlarged(picture: Image.Image) -> Image.Image:
    """By a whole factor to at least `LEAST` pixels a side; larger ones stay."""
    times = -(-LEAST // min(picture.size))
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def _shrunk(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(B, H, W, 3) averaged down by a whole factor until it is no more than `MOST` bytes."""
    factor = math.ceil(math.sqrt(images.nbytes / MOST)) if len(images) else 1
    if factor <= 1:
        return np.ascontiguousarray(images)
    return np.stack([np.asarray(Image.fromarray(image).reduce(factor)) for image in images])
