"""The picture grid sends exactly the pictures it was given, keeps the last ones, and does not run ahead of the page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from deepvis_widgets.synthesis.display import sheet
from deepvis_widgets.widgets import picture_grid
from deepvis_widgets.widgets.picture_grid import PictureGrid
from tests.widgets.conftest import Page

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture
def grid() -> PictureGrid:
    return PictureGrid()


@pytest.fixture
def page(grid: PictureGrid) -> Page:
    return Page(grid)


def images(count: int = 3, tall: int = 4, wide: int = 5, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, tall, wide, channels), dtype=np.uint8)


def test_live_pictures_are_sent_byte_by_byte_and_not_stored(grid: PictureGrid, page: Page) -> None:
    before = grid.get_state()
    grid.show(images(), ["a", "b", "c"], keep=False, places=9, columns=3)
    ((content, buffers),) = page.received
    assert content == {
        "kind": "pictures", "units": 3, "height": 4, "width": 5, "sequence": 1, "labels": ["a", "b", "c"], "places": 9,
        "columns": 3,
    }  # fmt: skip
    assert [bytes(buffer) for buffer in buffers] == [images().tobytes()]
    assert grid.get_state() == before


def test_kept_pictures_are_in_the_synced_state_and_in_the_saved_notebook(grid: PictureGrid, page: Page) -> None:
    grid.show(images(), ["a", "b", "c"], "caption", columns=2)
    state = grid.get_state()
    assert (state["_pixels"], state["_still"]["labels"], state["caption"]) == (images().tobytes(), ["a", "b", "c"], "caption")
    assert page.received == []
    bundle = grid._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    page_of_two = sheet(images(), columns=2)
    times = -(-256 // min(page_of_two.shape[:2]))  # so small a page is enlarged, by whole pixels
    truth = page_of_two.repeat(times, 0).repeat(times, 1)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data["image/png"]))), truth)


def test_what_was_live_can_be_kept_when_it_stops(grid: PictureGrid, page: Page) -> None:
    grid.show(images(2), keep=False)
    grid.show(images(3), keep=False)
    grid.keep()
    assert grid._pixels == images(3).tobytes()


@pytest.mark.parametrize(("channels", "seen"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (4, [0, 1, 2])])
def test_pictures_of_any_number_of_channels_are_shown_as_a_sheet_shows_them(
    grid: PictureGrid, page: Page, channels: int, seen: list[int]
) -> None:
    given = images(channels=channels)
    grid.show(given)
    assert grid._pixels == given[..., seen].tobytes()


def test_a_gallery_of_many_is_averaged_down_and_one_of_few_is_not(grid: PictureGrid, monkeypatch: pytest.MonkeyPatch) -> None:
    given = images(8, 6, 6)
    monkeypatch.setattr(picture_grid, "MOST", given.nbytes)
    grid.show(given)
    assert grid._pixels == given.tobytes()
    monkeypatch.setattr(picture_grid, "MOST", given.nbytes / 4)
    grid.show(given)
    small = given.reshape(8, 3, 2, 3, 2, 3).mean((2, 4))
    assert (grid._still["height"], grid._still["width"]) == (3, 3)
    shown = np.frombuffer(grid._pixels, np.uint8).reshape(small.shape)
    assert np.abs(shown - small).max() <= 1


def test_a_selection_that_is_gone_is_none(grid: PictureGrid) -> None:
    grid.show(images(3))
    grid.unit = 2
    grid.show(images(3)[::-1])
    assert grid.unit == 2
    grid.show(images(2))
    assert grid.unit == -1


def test_places_are_held_before_any_picture_is_there(grid: PictureGrid) -> None:
    grid.show(images(0), places=9)
    assert (grid._still["units"], grid._still["places"], grid._pixels) == (0, 9, b"")
    assert grid.picture() is None


@pytest.mark.parametrize(
    "bad", [images()[0], images().astype(np.float32), images()[..., 0]], ids=["one picture", "floats", "no channels"]
)
def test_what_are_no_pictures_is_refused_and_the_old_ones_stay(grid: PictureGrid, bad: NDArray[np.uint8]) -> None:
    grid.show(images())
    with pytest.raises(ValueError, match=r"\(B, H, W, C\) of uint8"):
        grid.show(bad)
    with pytest.raises(ValueError, match="a label for each of the 3"):
        grid.show(images(), ["only one"])
    assert grid._pixels == images().tobytes()


def test_no_more_than_two_live_pictures_are_under_way_unless_the_page_is_silent(
    grid: PictureGrid, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert grid.ready
    grid.show(images(), keep=False)
    assert grid.ready
    grid.show(images(), keep=False)
    assert not grid.ready
    page.message({"kind": "shown", "sequence": 1})
    assert grid.ready
    grid.show(images(), keep=False)
    assert not grid.ready
    monkeypatch.setattr(picture_grid, "PATIENCE", -1.0)
    assert grid.ready


@pytest.mark.parametrize("content", [None, "shown", {"kind": "shown"}, {"kind": "shown", "sequence": "9"}, {"kind": "other"}])
def test_a_message_of_another_kind_changes_nothing(grid: PictureGrid, page: Page, content: object) -> None:
    grid.show(images(), keep=False)
    grid.show(images(), keep=False)
    page.message(content)
    assert not grid.ready


def test_a_number_the_page_cannot_have_seen_does_not_count(grid: PictureGrid, page: Page) -> None:
    page.message({"kind": "shown", "sequence": 99})
    grid.show(images(), keep=False)
    grid.show(images(), keep=False)
    assert not grid.ready
