"""Every frame is acknowledged exactly once, whatever becomes of it, and whatever goes wrong is said and gets over."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any

import ipywebrtc
import ipywidgets
import numpy as np
import pytest
from PIL import Image

import deepvis_widgets as dv
from deepvis_widgets.widgets import Frame, FramePump
from tests.widgets.conftest import PATIENCE, Page, random_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def pump() -> Iterator[FramePump]:
    made = FramePump((16, 16))
    yield made
    made.close()


@pytest.fixture
def page(pump: FramePump) -> Page:
    return Page(pump)


def test_a_frame_arrives_as_it_was_sent(pump: FramePump, page: Page) -> None:
    came: list[Frame] = []
    pump.on_frame(came.append)
    pixels = random_frame(9, 14)
    page.frame(pixels, 7, dropped=3, held=True)
    page.until(lambda: page.acknowledged == [7])
    (frame,) = came
    assert np.array_equal(frame.pixels, pixels)
    assert (frame.sequence, frame.captured, frame.dropped, frame.held) == (7, 70.0, 3, True)


def test_frames_are_handled_on_a_thread_of_their_own(pump: FramePump, page: Page) -> None:
    threads: list[str] = []
    pump.on_frame(lambda _frame: threads.append(threading.current_thread().name))
    page.frame(random_frame(), 1)
    page.until(lambda: page.acknowledged == [1])
    assert threads == ["deepvis-frames"]


def test_replaced_frames_are_acknowledged_too_each_frame_once_and_counted_as_dropped(pump: FramePump, page: Page) -> None:
    begun, go_on = threading.Event(), threading.Event()
    handled: list[tuple[int, int]] = []

    def slow(frame: Frame) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)
        handled.append((frame.sequence, frame.dropped))

    pump.on_frame(slow)
    page.frame(random_frame(), 1)
    assert begun.wait(PATIENCE)
    for sequence in (2, 3, 4):
        page.frame(random_frame(), sequence, dropped=10)
    assert page.acknowledged == [2, 3]  # the browser need not wait for what will never be handled
    go_on.set()
    page.until(lambda: len(page.acknowledged) == 4)
    page.frame(random_frame(), 5, dropped=10)
    page.until(lambda: len(page.acknowledged) == 5)
    assert sorted(page.acknowledged) == [1, 2, 3, 4, 5]
    assert [sequence for sequence, _ in handled] == [1, 4, 5]
    assert handled[-1] == (5, 12)  # ten in the browser, two here


def test_a_burst_from_the_browser_is_acknowledged_to_the_last_frame(pump: FramePump, page: Page) -> None:
    handled: list[int] = []
    pump.on_frame(lambda frame: handled.append(frame.sequence))
    for sequence in range(300):
        page.frame(random_frame(2, 2), sequence)
    page.until(lambda: len(page.acknowledged) >= 300)
    assert sorted(page.acknowledged) == list(range(300))
    assert handled == sorted(handled)
    assert handled[-1] == 299


def test_what_a_callback_raises_is_said_and_the_next_good_frame_clears_it(pump: FramePump, page: Page) -> None:
    def touchy(frame: Frame) -> None:
        if frame.sequence == 1:
            raise ArithmeticError("the network is out of sorts")

    pump.on_frame(touchy)
    page.frame(random_frame(), 1)
    page.until(lambda: page.acknowledged == [1])
    assert "ArithmeticError: the network is out of sorts" in pump.message
    assert "next one is tried again" in pump.message
    assert "in touchy" in pump.details  # the traceback, for who wants it
    page.frame(random_frame(), 2)
    page.until(lambda: page.acknowledged == [1, 2])
    assert (pump.message, pump.details) == ("", "")


def test_a_good_frame_leaves_alone_what_the_browser_said(pump: FramePump, page: Page) -> None:
    pump.message = "The camera moved to another window."
    page.frame(random_frame(), 1)
    page.until(lambda: page.acknowledged == [1])
    assert pump.message == "The camera moved to another window."


ONE = {"kind": "frame", "sequence": 1, "captured": 0, "dropped": 0, "held": False, "width": 1, "height": 1}
MALFORMED: dict[str, tuple[Any, list[bytes]]] = {
    "no size": ({"kind": "frame", "sequence": 1}, [b"1234"]),
    "no pixels": (ONE, []),
    "too few pixels": ({**ONE, "width": 2}, [b"1234"]),
    "a size that is none": ({**ONE, "width": "a", "height": None}, [b"1234"]),
    "no dictionary": ("frame", []),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_message_is_told_and_the_next_frame_goes_on(kind: str, pump: FramePump, page: Page) -> None:
    handled: list[int] = []
    pump.on_frame(lambda frame: handled.append(frame.sequence))
    content, buffers = MALFORMED[kind]
    page.message(content, *buffers)
    assert pump.message
    assert "Error" in pump.details
    page.frame(random_frame(), 2)
    page.until(lambda: page.acknowledged == [2])
    assert handled == [2]
    assert pump.message == ""


def test_a_message_of_another_kind_is_none_of_ours(pump: FramePump, page: Page) -> None:
    page.message({"kind": "greeting"})
    assert pump.message == ""
    assert page.received == []


def test_close_ends_the_stream_and_the_thread_and_late_frames_are_ignored(pump: FramePump, page: Page) -> None:
    threads: list[threading.Thread] = []
    pump.on_frame(lambda _frame: threads.append(threading.current_thread()))
    pump.running = True
    page.frame(random_frame(), 1)
    page.until(lambda: page.acknowledged == [1])
    pump.close()
    assert not pump.running
    assert not threads[0].is_alive()
    pump._receive(pump, ONE, [memoryview(b"1234")])
    assert page.acknowledged == [1]
    assert len(threads) == 1


def test_a_shown_picture_is_a_preview_of_it(pump: FramePump) -> None:
    original = Image.fromarray(random_frame(300, 1000)[..., :3])
    kept = original.copy()
    pump.show(original)
    assert Image.open(io.BytesIO(pump.picture)).size == (640, 192)
    assert original.tobytes() == kept.tobytes()
    small = random_frame(30, 40)[..., :3]
    pump.show(small)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(pump.picture))), small)


def test_a_picture_that_cannot_be_used_changes_nothing(pump: FramePump, tmp_path: Path) -> None:
    pump.show(random_frame(8, 8)[..., :3])
    before = pump.get_state()
    with pytest.raises(dv.ImageError, match="missing"):
        pump.show(tmp_path / "missing.png")
    assert pump.get_state() == before


STREAMS: dict[str, Callable[[], ipywidgets.DOMWidget]] = {
    "camera": dv.Camera,
    "video": lambda: ipywebrtc.VideoStream(video=ipywidgets.Video()),
    "picture": lambda: ipywebrtc.ImageStream(image=ipywidgets.Image()),
    "widget": lambda: ipywebrtc.WidgetStream(widget=ipywidgets.Button()),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_any_ipywebrtc_stream_travels_by_reference(kind: str) -> None:
    stream = STREAMS[kind]()
    pump = FramePump(stream=stream)
    assert pump.get_state()["stream"] == f"IPY_MODEL_{stream.model_id}"
    pump.close()


def test_the_camera_is_asked_for_pictures_alone() -> None:
    assert dv.Camera().constraints["audio"] is False
    assert dv.Camera().constraints["video"]["facingMode"] == "user"
    assert "audio" not in FramePump().constraints
