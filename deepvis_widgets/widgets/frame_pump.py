"""FramePump: camera, video or picture in the browser -> frames in the kernel."""

from __future__ import annotations

import io
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywebrtc
import ipywidgets
import numpy as np
import traitlets
from PIL import Image

from deepvis_widgets.live.worker import Worker
from deepvis_widgets.models.images import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

STATIC = Path(__file__).parent / "static"
VIDEO = {"width": 640, "height": 480, "frameRate": {"ideal": 30}, "facingMode": "user"}
PREVIEW = 640  # pixels of the longer side of a picture sent to the browser


def Camera() -> ipywebrtc.CameraStream:  # noqa: N802 - reads as the class it makes
    """The user's camera as an ipywebrtc stream, without sound; it opens when something asks it for frames."""
    return ipywebrtc.CameraStream(constraints={"audio": False, "video": VIDEO})


@dataclass(frozen=True)
class Frame:
    """One frame as the browser cropped and resized it.

    Attributes:
        pixels: (H, W, 4) uint8.
        sequence: its number since the stream was opened.
        captured: when it was taken, in milliseconds of the browser's clock.
        dropped: how many frames before it were skipped, in the browser and here.
        held: no other follows for now: a picture, or the frame that is frozen.
    """

    pixels: NDArray[np.uint8]
    sequence: int
    captured: float
    dropped: int
    held: bool


class FramePump(anywidget.AnyWidget):
    """Shows a camera, a video or a picture and hands its frames to a function, on a thread of its own, newest first.

    Frames go from the browser to this kernel and nowhere else, and nothing is written to disk.

    Args:
        size: (height, width) of the frames.
        stream: any ipywebrtc stream (`CameraStream`, `VideoStream`, `ImageStream`, `WidgetStream`); without one the browser's
            camera is opened directly.

    Attributes:
        running: whether the stream is open; set it to open or stop it.
        frozen: whether the present frame is held.
        margin: how much larger the picture is made than what is cut from its centre, see `VisionModel`.
        mirror: whether a camera's picture is mirrored, as people expect of their own.
        state: "idle", "opening", "live" or "stopped".
        message: what went wrong and what to do about it, "" if nothing.
    """

    _esm = STATIC / "frame_pump.js"
    _css = STATIC / "frame_pump.css"

    stream = traitlets.Instance(ipywidgets.DOMWidget, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    constraints = traitlets.Dict(default_value={"video": VIDEO}).tag(sync=True)
    size = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=(224, 224)).tag(sync=True)
    margin = traitlets.Float(1.0).tag(sync=True)
    running = traitlets.Bool(default_value=False).tag(sync=True)
    frozen = traitlets.Bool(default_value=False).tag(sync=True)
    mirror = traitlets.Bool(default_value=True).tag(sync=True)
    state = traitlets.Enum(["idle", "opening", "live", "stopped"], default_value="idle").tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)
    details = traitlets.Unicode().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)

    def __init__(self, size: tuple[int, int] = (224, 224), stream: ipywidgets.DOMWidget | None = None) -> None:
        super().__init__(size=size, stream=stream)
        self._callbacks: list[Callable[[Frame], None]] = []
        self._worker: Worker[Frame] = Worker(self._deliver, self._failed, "frames")
        self._complained = False
        self.on_msg(self._receive)

    def on_frame(self, callback: Callable[[Frame], None]) -> None:
        """Call this with each frame; what it raises is shown in the widget, and the next frame goes on."""
        self._callbacks.append(callback)

    def show(self, source: Any) -> None:
        """Show a picture: a path, bytes, a PIL image or an array. It is only shown; it is not handed to `on_frame`.

        Raises:
            ImageError: it cannot be used.
        """
        picture = decode(source, 3)
        if not isinstance(picture, Image.Image):
            raise TypeError("a picture to show has one to four channels")
        picture.thumbnail((PREVIEW, PREVIEW))
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG")
        self.picture = buffer.getvalue()

    def close(self) -> None:
        """End the thread and the stream, and remove the widget from the page."""
        self.running = False
        self._worker.close()
        super().close()

    def _receive(self, _widget: Any, content: dict[str, Any], buffers: list[memoryview]) -> None:
        try:
            if content.get("kind") != "frame":
                return
            shape = (content["height"], content["width"], 4)
            pixels = np.frombuffer(bytearray(buffers[0]), np.uint8).reshape(shape)
            dropped = content["dropped"] + self._worker.dropped
            frame = Frame(pixels, content["sequence"], content["captured"], dropped, content["held"])
            replaced = self._worker.put(frame)
            if replaced is not None:
                self._acknowledge(replaced)
        except Exception as error:  # noqa: BLE001 - the comm layer would swallow it without a trace
            self._tell(error)

    def _deliver(self, frame: Frame) -> None:
        for callback in self._callbacks:
            callback(frame)
        if self._complained:
            self.message, self.details, self._complained = "", "", False
        self._acknowledge(frame)

    def _failed(self, frame: Frame, error: Exception) -> None:
        self._tell(error)
        self._acknowledge(frame)

    def _tell(self, error: Exception) -> None:
        self._complained = True
        self.details = "".join(traceback.format_exception(error))
        self.message = f"This frame could not be shown: {type(error).__name__}: {error}. The next one is tried again."

    def _acknowledge(self, frame: Frame) -> None:
        self.send({"kind": "ack", "sequence": frame.sequence})
