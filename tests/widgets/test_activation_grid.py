"""The grid sends exactly the maps it was given, keeps the last ones, and accepts every colour map there is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

from deepvis_widgets.activations import Layer, ReceptiveField
from deepvis_widgets.activations.heatmaps import Heatmaps, mosaic, to_bytes
from deepvis_widgets.widgets import ActivationGrid
from deepvis_widgets.widgets.colormaps import DIVERGING, SEQUENTIAL, palette
from tests.networks import pictures
from tests.widgets.conftest import Page

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture
def grid() -> ActivationGrid:
    return ActivationGrid()


@pytest.fixture
def page(grid: ActivationGrid) -> Page:
    return Page(grid)


def broken() -> Heatmaps:
    values = pictures(5, 3, 4)
    values[2, 1, 3] = torch.nan
    return to_bytes(values)


def test_live_maps_are_sent_byte_by_byte_and_not_stored(grid: ActivationGrid, page: Page) -> None:
    before = grid.get_state()
    heatmaps = to_bytes(pictures(5, 3, 4))
    grid.show(heatmaps, "conv5", keep=False, sequence=8, captured=80.5, dropped=2)
    ((content, buffers),) = page.received
    assert content == {
        "kind": "maps", "layer": "conv5", "units": 5, "height": 3, "width": 4, "low": heatmaps.low, "high": heatmaps.high,
        "signed": True, "invalid": 0, "sequence": 8, "captured": 80.5, "dropped": 2,
    }  # fmt: skip
    assert [bytes(buffer) for buffer in buffers] == [heatmaps.maps.tobytes()]
    assert grid.get_state() == before


def test_what_is_no_number_is_sent_as_a_mask_behind_the_maps(grid: ActivationGrid, page: Page) -> None:
    heatmaps = broken()
    grid.show(heatmaps, "conv", keep=False)
    ((content, buffers),) = page.received
    assert content["invalid"] == 1
    assert [len(buffer) for buffer in buffers] == [60, 60]
    mask = np.frombuffer(buffers[1], np.uint8).reshape(5, 3, 4)
    assert np.argwhere(mask).tolist() == [[2, 1, 3]]
    assert mask.max() == 1
    grid.keep()
    assert grid._pixels == heatmaps.maps.tobytes() + mask.tobytes()


def test_maps_that_do_not_lie_in_order_are_sent_in_order(grid: ActivationGrid, page: Page) -> None:
    maps = np.arange(60, dtype=np.uint8).reshape(3, 4, 5).transpose(2, 0, 1)
    grid.show(Heatmaps(maps, 0, 1, signed=False), "conv", keep=False)
    assert bytes(page.received[0][1][0]) == np.ascontiguousarray(maps).tobytes()


def test_keeping_stores_the_last_shown_maps_in_the_synced_state(grid: ActivationGrid, page: Page) -> None:
    grid.keep()  # before anything is shown: nothing
    assert grid._pixels == b""
    for seed in (0, 1):
        heatmaps = to_bytes(pictures(5, 3, 4, seed=seed))
        grid.show(heatmaps, f"layer {seed}", keep=False)
    grid.keep()
    state = grid.get_state()
    assert state["_pixels"] == heatmaps.maps.tobytes()
    assert (state["_still"]["layer"], state["_still"]["units"], state["_still"]["low"]) == ("layer 1", 5, heatmaps.low)
    assert len(page.received) == 2
    grid.show(heatmaps, "kept at once")
    assert grid.get_state()["_still"]["layer"] == "kept at once"
    assert len(page.received) == 2


@pytest.mark.parametrize("trait", ["colormap", "signed_colormap"])
def test_an_unknown_colour_map_is_named_and_the_old_one_stays(grid: ActivationGrid, trait: str) -> None:
    before = getattr(grid, trait)
    with pytest.raises(ValueError, match=r"'no such map'.*matplotlib's"):
        setattr(grid, trait, "no such map")
    assert getattr(grid, trait) == before


def test_any_map_of_matplotlibs_is_accepted_and_its_colours_go_to_the_browser(grid: ActivationGrid) -> None:
    for name in mpl.colormaps:
        grid.colormap = name
        grid.signed_colormap = name
        expected = (mpl.colormaps[name](np.linspace(0, 1, 256))[:, :3] * 255).round()
        colours = np.frombuffer(grid.get_state()["palettes"][name], np.uint8).reshape(256, 3)
        assert np.abs(colours - expected).max() <= 1
        assert name in grid.sequential or name in DIVERGING
    assert len(grid.sequential) == len(set(grid.sequential))


def test_the_first_maps_are_there_from_the_start_and_zero_is_neutral(grid: ActivationGrid) -> None:
    assert set(grid.palettes) == {*SEQUENTIAL, *DIVERGING}
    assert (grid.colormap, grid.signed_colormap) == (SEQUENTIAL[0], DIVERGING[0])
    red_green = np.frombuffer(palette("red-green"), np.uint8).reshape(256, 3)
    assert red_green[0].tolist() == [255, 0, 0]
    assert red_green[128].max() <= 2
    assert red_green[255].tolist() == [0, 255, 0]


@pytest.mark.parametrize(
    ("trait", "bad", "good"), [("gamma", 0.1, 0.2), ("gamma", 2.1, 2.0), ("boost", -0.1, 0.0), ("boost", 1.1, 1.0)]
)
def test_gamma_and_boost_have_limits(grid: ActivationGrid, trait: str, bad: float, good: float) -> None:
    with pytest.raises(traitlets.TraitError, match=trait):
        setattr(grid, trait, bad)
    setattr(grid, trait, good)
    assert getattr(grid, trait) == good


def test_the_strongest_unit_is_selected(grid: ActivationGrid) -> None:
    grid.select_strongest()
    assert grid.unit == -1
    values = pictures(5, 3, 4)
    values[3, 2, 2] = 99
    grid.show(to_bytes(values), "conv")
    grid.select_strongest()
    assert grid.unit == 3


CONV = Layer("conv5", "Conv2d", (192, 8, 9), ReceptiveField((59, 59), (8, 8), (-25, -25)), "conv5")
VECTOR = Layer("fc8", "Linear", (200,), ReceptiveField((64, 64), (0, 0), (0, 0)), "fc8")
TOKENS = Layer("block", "Block", (50, 768), None, "block")


@pytest.mark.parametrize(
    ("layer", "parts"),
    [
        (CONV, ["conv5", "192 units", "8\N{MULTIPLICATION SIGN}9", "sees 59 px"]),
        (VECTOR, ["fc8", "200 units", "sees the whole picture"]),
        (TOKENS, ["block", "768 units", "768"]),
    ],
    ids=["maps", "vector", "tokens"],
)
def test_a_layer_is_described_in_a_line(grid: ActivationGrid, layer: Layer, parts: list[str]) -> None:
    grid.describe(layer)
    assert grid.caption.split(" · ") == parts
    assert grid.shape == (list(layer.shape) if len(layer.shape) == 3 else [layer.units, 1, 1])


def test_units_have_labels_where_there_are_as_many_and_the_selection_stays_within_the_layer(grid: ActivationGrid) -> None:
    vector = Layer("fc", "Linear", (3,), None, "fc")
    grid.unit = 150
    grid.describe(CONV, labels=("a", "b", "c"))
    assert (grid.unit, grid.unit_labels) == (150, [])
    grid.describe(vector, labels=("a", "b", "c"))
    assert (grid.unit, grid.unit_labels) == (2, ["a", "b", "c"])


def png(bundle: Any) -> NDArray[np.uint8]:
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    return np.asarray(Image.open(io.BytesIO(data["image/png"])))


def test_a_saved_notebook_shows_the_picture_that_the_browser_showed(grid: ActivationGrid) -> None:
    first = grid._repr_mimebundle_()
    assert "image/png" not in (first[0] if isinstance(first, tuple) else first)
    for heatmaps in (to_bytes(pictures(5, 3, 4)), to_bytes(pictures(5, 3, 4).relu()), broken()):
        grid.show(heatmaps, "conv", keep=False)
        grid.gamma, grid.boost = 0.5, 0.3
        name = grid.signed_colormap if heatmaps.signed else grid.colormap
        colours = np.frombuffer(palette(name), np.uint8).reshape(256, 3)
        assert np.array_equal(png(grid._repr_mimebundle_()), mosaic(heatmaps, colours, boost=0.3, gamma=0.5))
