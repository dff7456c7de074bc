"""DeepVis shows something from the first moment, shows each frame's own maps, and a mistake leaves what was there."""

from __future__ import annotations

import gc
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor, nn

import deepvis_widgets as dv
from deepvis_widgets.widgets import DeepVis
from tests.networks import Function, seeded, small_classifier, wrapped
from tests.widgets.conftest import Page, random_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LABELS = [f"class of {i}" for i in range(7)]


@pytest.fixture
def toolbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeepVis]:
    monkeypatch.setattr("deepvis_widgets.widgets.toolbox.BETWEEN", -1.0)  # the classes of every frame
    made = DeepVis(wrapped(seeded(small_classifier), labels=LABELS, name="mine"), layer="conv")
    yield made
    made.close()


class Pages:
    """The browser's side of a whole toolbox."""

    def __init__(self, toolbox: DeepVis) -> None:
        self.toolbox = toolbox
        self.pump, self.grid, self.predictions = Page(toolbox.pump), Page(toolbox.grid), Page(toolbox.predictions)

    def frame(self, pixels: Any, sequence: int, **changes: Any) -> None:
        """Send one and wait until it is dealt with."""
        self.pump.frame(pixels, sequence, **changes)
        self.pump.until(lambda: sequence in self.pump.acknowledged)


@pytest.fixture
def pages(toolbox: DeepVis) -> Pages:
    return Pages(toolbox)


def expected(toolbox: DeepVis, pixels: Any, layer: str) -> dv.GridFrame:
    return dv.LivePipeline(toolbox.pipeline.model, layer, tile=toolbox.pipeline.tile).step(pixels)


def state(toolbox: DeepVis) -> list[dict[str, Any]]:
    """All that is synced with the browser."""
    widgets = (toolbox.toolbar, toolbox.pump, toolbox.grid, toolbox.predictions)
    return [{key: value for key, value in widget.get_state().items() if not callable(value)} for widget in widgets]


def test_without_arguments_it_shows_the_bundled_network_and_a_picture_at_once() -> None:
    toolbox = DeepVis()
    try:
        assert toolbox.toolbar.name == "caffenet-mini"
        assert toolbox.layer == "conv5"
        grid = toolbox.grid
        assert (grid._still["layer"], grid._still["units"], len(grid._pixels)) == ("conv5", 192, 192 * 8 * 8)
        assert grid.unit == np.frombuffer(grid._pixels, np.uint8).reshape(192, -1).max(1).argmax()
        assert Image.open(io.BytesIO(toolbox.pump.picture)).size == (512, 600)
        assert len(toolbox.predictions.items) == 5
        assert toolbox.pump.size == (64, 64)
        assert not toolbox.pump.running  # the camera waits to be asked
    finally:
        toolbox.close()


def test_a_network_of_ones_own_has_its_layers_in_the_list(toolbox: DeepVis) -> None:
    assert toolbox.toolbar.name == "mine"
    groups = toolbox.toolbar.groups
    assert " ".join(group[0]["name"] for group in groups) == "conv norm relu pool deep flat.0 flat.1 head"
    assert groups[0][0]["title"].split("\N{MULTIPLICATION SIGN}") == ["conv: Conv2d, 8", "16", "16"]
    assert {item["label"] for item in toolbox.predictions.items} <= set(LABELS)
    json.dumps(groups)


def test_the_first_layer_is_the_deepest_that_shows_where_something_is() -> None:
    toolbox = DeepVis(wrapped(seeded(small_classifier)))
    assert toolbox.layer == "deep"
    toolbox.close()
    only_vectors = DeepVis(wrapped(nn.Sequential(nn.Flatten(), seeded(lambda: nn.Linear(768, 5)))))
    assert only_vectors.layer == "1"
    only_vectors.close()


def test_a_source_may_be_a_picture_or_a_stream(tmp_path: Path) -> None:
    pixels = random_frame()[..., :3]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for source in (pixels, tmp_path / "a.png", Image.fromarray(pixels)):
        toolbox = DeepVis(wrapped(seeded(small_classifier)), source=source, layer="relu")
        assert toolbox.grid._pixels == expected(toolbox, pixels, "relu").maps.tobytes()
        toolbox.close()
    camera = dv.Camera()
    toolbox = DeepVis(wrapped(seeded(small_classifier)), source=camera)
    assert toolbox.pump.stream is camera
    assert toolbox.pump.picture  # until the camera is opened
    toolbox.close()


def test_a_frame_reaches_the_grid_with_its_own_number_its_own_maps_and_its_own_classes(toolbox: DeepVis, pages: Pages) -> None:
    toolbox.pump.state = "live"
    toolbox.pipeline.smoothing = 0.0
    toolbox.pipeline.layer = "conv"  # with that smoothing
    for sequence in (1, 2, 3):
        pixels = random_frame(seed=sequence)
        pages.frame(pixels, sequence, dropped=sequence * 2)
        truth = expected(toolbox, pixels, "conv")
        content, buffers = pages.grid.received[-1]
        assert (content["sequence"], content["captured"], content["dropped"]) == (sequence, 10.0 * sequence, 2 * sequence)
        assert bytes(buffers[0]) == truth.maps.tobytes()
        items = pages.predictions.sent("predictions")[-1]["items"]
        assert items == [{"label": p.label, "probability": p.probability} for p in truth.predictions]
    assert len(pages.grid.received) == len(pages.predictions.received) == 3


def test_live_frames_are_not_stored_until_they_stop_and_then_the_last_one_is(toolbox: DeepVis, pages: Pages) -> None:
    toolbox.pump.state = "live"
    before = toolbox.grid._pixels, toolbox.predictions.items
    for sequence in (1, 2):
        pages.frame(random_frame(seed=sequence), sequence)
    assert (toolbox.grid._pixels, toolbox.predictions.items) == before
    toolbox.pump.state = "stopped"
    assert toolbox.grid._pixels == bytes(pages.grid.received[-1][1][0])
    assert toolbox.grid._still["sequence"] == 2
    truth = expected(toolbox, random_frame(seed=2), "conv").predictions
    assert toolbox.predictions.items == [{"label": p.label, "probability": p.probability} for p in truth] != before[1]


def test_class_names_change_no_faster_than_they_can_be_read_and_the_last_are_kept(
    toolbox: DeepVis, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolbox.pump.state = "live"
    pages.frame(random_frame(seed=1), 1)
    monkeypatch.setattr("deepvis_widgets.widgets.toolbox.BETWEEN", 3600.0)
    pages.frame(random_frame(seed=2), 2)
    assert len(pages.grid.received) == 2
    assert len(pages.predictions.received) == 1
    toolbox.pump.state = "stopped"
    truth = expected(toolbox, random_frame(seed=2), "conv").predictions
    assert toolbox.predictions.items == [{"label": p.label, "probability": p.probability} for p in truth]


def test_a_held_frame_is_stored(toolbox: DeepVis, pages: Pages) -> None:
    toolbox.pump.state = "live"
    pages.frame(random_frame(seed=1), 5, held=True)
    assert toolbox.grid._still["sequence"] == 5
    assert toolbox.grid._pixels == expected(toolbox, random_frame(seed=1), "conv").maps.tobytes() or toolbox.pipeline.smoothing
    assert toolbox.predictions.items[0]["label"] == expected(toolbox, random_frame(seed=1), "conv").predictions[0].label


def test_another_layer_is_shown_at_once_where_no_frame_comes(toolbox: DeepVis) -> None:
    pixels = random_frame()[..., :3]
    toolbox.look(pixels)
    for layer in ("head", "relu"):
        toolbox.layer = layer
        assert toolbox.layer == toolbox.toolbar.layer == toolbox.grid._still["layer"] == layer
        assert toolbox.grid._pixels == expected(toolbox, pixels, layer).maps.tobytes()
        assert toolbox.grid.caption.startswith(f"{layer} · ")
    toolbox.toolbar.layer = "head"  # as the browser does
    assert toolbox.grid._still["layer"] == "head"
    assert toolbox.grid.unit_labels == LABELS


def test_another_layer_waits_for_the_next_frame_where_one_comes(toolbox: DeepVis, pages: Pages) -> None:
    toolbox.pump.state = "live"
    pages.frame(random_frame(seed=1), 1)
    toolbox.layer = "relu"
    assert len(pages.grid.received) == 1
    assert toolbox.grid.shape == [8, 16, 16]
    pages.frame(random_frame(seed=2), 2)
    assert [content["layer"] for content, _ in pages.grid.received] == ["conv", "relu"]


def test_a_frozen_frame_is_shown_in_another_layer_at_once(toolbox: DeepVis, pages: Pages) -> None:
    toolbox.pump.state = "live"
    pages.frame(random_frame(seed=1), 1, held=True)
    toolbox.pump.frozen = True
    toolbox.layer = "relu"
    assert toolbox.grid._still["layer"] == "relu"
    assert toolbox.grid._pixels == expected(toolbox, random_frame(seed=1), "relu").maps.tobytes()


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_an_unknown_layer_is_named_and_everything_stays(toolbox: DeepVis) -> None:
    before = state(toolbox)
    with pytest.raises(ValueError, match=r"mine has no layer 'cnov'; near: conv"):
        toolbox.layer = "cnov"
    assert toolbox.layer == "conv"
    assert state(toolbox) == before
    with pytest.raises(ValueError, match="'nowhere'"):
        DeepVis(toolbox.pipeline.model, layer="nowhere")
    gc.collect()  # what was only begun is closed without a complaint


@pytest.mark.parametrize("bad", ["missing.png", b"", b"no picture", None, 7])
def test_a_picture_that_cannot_be_used_leaves_everything_as_it_was(toolbox: DeepVis, bad: Any) -> None:
    toolbox.pump.running = True
    before, frame = state(toolbox), toolbox._frame
    with pytest.raises(dv.ImageError):
        toolbox.look(bad)
    assert state(toolbox) == before
    assert toolbox._frame is frame


def test_looking_at_a_picture_stops_the_camera_and_shows_it(toolbox: DeepVis) -> None:
    toolbox.pump.running = True
    pixels = random_frame(30, 50)[..., :3]
    toolbox.look(pixels)
    assert not toolbox.pump.running
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(toolbox.pump.picture))), pixels)
    assert toolbox.grid._still["layer"] == "conv"


def test_a_network_that_raises_on_a_frame_is_told_and_the_next_frame_goes_on() -> None:
    def touchy(x: Tensor) -> Tensor:
        if x.max() > 0.9:
            raise ArithmeticError("too bright")
        return x * 1

    network = wrapped(nn.Sequential(Function(touchy)), mean=(0.0,) * 3, std=(1.0,) * 3)
    toolbox = DeepVis(network, source=np.zeros((16, 16, 3), np.uint8))
    pages = Pages(toolbox)
    toolbox.pump.state = "live"
    pages.frame(np.full((16, 16, 4), 255, np.uint8), 1)
    assert "too bright" in toolbox.pump.message
    pages.frame(np.full((16, 16, 4), 9, np.uint8), 2)
    assert toolbox.pump.message == ""
    assert [content["sequence"] for content, _ in pages.grid.received] == [2]
    toolbox.close()


def test_the_size_of_a_tile_on_the_screen_is_the_size_that_maps_are_averaged_to(toolbox: DeepVis, pages: Pages) -> None:
    toolbox.pump.state = "live"
    toolbox.grid.tile = 5
    pages.frame(random_frame(), 1)
    assert (pages.grid.received[-1][0]["height"], pages.grid.received[-1][0]["width"]) == (4, 4)
    toolbox.grid.tile = 0  # nothing is laid out yet
    pages.frame(random_frame(), 2)
    assert pages.grid.received[-1][0]["height"] == 1


def test_a_saved_notebook_shows_the_last_picture(toolbox: DeepVis) -> None:
    bundle = toolbox._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    shown = toolbox.picture()
    assert shown is not None
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data["image/png"]))), np.asarray(shown))
    assert np.unique(np.asarray(shown)).size > 10


def test_close_ends_the_camera_the_thread_and_every_part(toolbox: DeepVis, pages: Pages) -> None:
    pages.frame(random_frame(), 1)
    toolbox.pump.running = True
    toolbox.close()
    assert not toolbox.pump.running
    for widget in (toolbox, toolbox.pump, toolbox.grid, toolbox.predictions, toolbox.toolbar):
        assert widget.comm is None
    toolbox.close()  # twice is as good as once
