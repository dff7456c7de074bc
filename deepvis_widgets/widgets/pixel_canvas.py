"""PixelCanvas: what every widget has that draws on the canvas: a selection, a line of words, and the last picture kept."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image

STATIC = Path(__file__).parent / "static"


class PixelCanvas(anywidget.AnyWidget):
    """Bytes in, pixels out, in place. What is live goes as messages; what is kept is synced, and saved with the notebook.

    Attributes:
        unit: the selected tile, -1 for none; set it, or observe it.
        caption: the line above.
    """

    _esm = STATIC / "pixel_canvas.js"
    _css = STATIC / "pixel_canvas.css"

    unit = traitlets.Int(-1).tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)
    # What was shown last, kept with the notebook: frames themselves are messages, which nothing stores.
    _still = traitlets.Dict().tag(sync=True)
    _pixels = traitlets.Bytes().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        self._last: tuple[Any, dict[str, Any], list[memoryview]] | None = None  # what, how it is described, its bytes
        super().__init__(**traits)

    def keep(self) -> None:
        """Store what is shown now in the widget's state."""
        if self._last is None:
            return
        _, header, buffers = self._last
        with self.hold_sync():
            self._still, self._pixels = header, b"".join(buffers)

    def picture(self) -> Image.Image | None:
        """What is shown, as a picture; None before anything is."""
        raise NotImplementedError

    def _put(self, kind: str, what: Any, header: dict[str, Any], arrays: Sequence[NDArray[Any]], *, keep: bool) -> None:
        """Show arrays of bytes: for good, or until the next."""
        self._last = (what, header, [np.ascontiguousarray(array).reshape(-1).view(np.uint8).data for array in arrays])
        if keep:
            self.keep()
        else:
            self.send({"kind": kind, **header}, buffers=self._last[2])

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_png(super()._repr_mimebundle_(**kwargs), self.picture())


def with_png(bundle: Any, picture: Image.Image | None) -> Any:
    """A mimebundle that also shows where no widget can run: in a saved notebook, on a hub that renders it."""
    if picture is None or bundle is None:
        return bundle
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    data["image/png"] = buffer.getvalue()
    return bundle
