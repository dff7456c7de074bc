"""A browser's side of the comm, without a browser: what a widget sends is recorded, and messages arrive as they would."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

PATIENCE = 60  # seconds


class Page:
    """Plays the browser to one widget."""

    def __init__(self, widget: ipywidgets.Widget) -> None:
        self.widget = widget
        self.received: list[tuple[dict[str, Any], list[memoryview]]] = []
        self.changed = threading.Condition()
        widget.send = self._take

    def _take(self, content: dict[str, Any], buffers: list[memoryview] | None = None) -> None:
        with self.changed:
            self.received.append((content, list(buffers or [])))
            self.changed.notify_all()

    def message(self, content: Any, *buffers: bytes) -> None:
        """What the comm does with a message from the browser."""
        data = {"method": "custom", "content": content}
        self.widget._handle_msg({"content": {"data": data}, "buffers": [memoryview(buffer) for buffer in buffers]})

    def frame(self, pixels: NDArray[np.uint8], sequence: int, **changes: Any) -> None:
        """A frame (H, W, 4)."""
        height, width = pixels.shape[:2]
        content = {"kind": "frame", "sequence": sequence, "captured": 10.0 * sequence, "dropped": 0, "held": False}
        self.message({**content, "width": width, "height": height, **changes}, np.ascontiguousarray(pixels).tobytes())

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """The messages of one kind that came so far."""
        return [content for content, _ in self.received if content["kind"] == kind]

    @property
    def acknowledged(self) -> list[int]:
        """The numbers of the acknowledged frames."""
        return [content["sequence"] for content in self.sent("ack")]

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for messages."""
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE), self.received


@pytest.fixture(autouse=True)
def _widgets_closed() -> Iterator[None]:
    """No widget outlives its test."""
    yield
    ipywidgets.Widget.close_all()


def random_frame(tall: int = 16, wide: int = 16, seed: int = 0) -> NDArray[np.uint8]:
    """(H, W, 4), as a canvas gives it."""
    return np.random.default_rng(seed).integers(0, 256, (tall, wide, 4), dtype=np.uint8)
