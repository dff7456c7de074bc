"""Heat maps follow the toolbox's formulas, computed here in float64, and hide neither zero nor what is no number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from deepvis_widgets.activations.heatmaps import Heatmaps, Range, as_maps, bend, mosaic, shrink, tile_grid, to_bytes
from tests.networks import pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALUES = st.floats(-1e6, 1e6, width=32)


def layer_range(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = values.min(), values.max()
    return (-max(-low, high), max(-low, high)) if low < 0 else (low, high)


def assert_quantised(heatmaps: Heatmaps, values: Tensor) -> None:
    exact = values.double().numpy()
    low, high = layer_range(exact)
    assert (heatmaps.low, heatmaps.high) == (low, high)
    share = (exact - low) / (high - low + 1e-10)  # the toolbox's formula
    assert np.abs(heatmaps.maps / 255 - share).max() <= 0.5 / 255 + 1e-5


@pytest.mark.parametrize(
    "values", [pictures(5, 4, 6), pictures(5, 4, 6).relu(), pictures(5, 4, 6).abs() + 3], ids=["signed", "relu", "off zero"]
)
def test_bytes_are_the_layers_min_max_normalised_values(values: Tensor) -> None:
    heatmaps = to_bytes(values)
    assert_quantised(heatmaps, values)
    assert heatmaps.signed == bool(values.min() < 0)
    assert heatmaps.invalid is None
    assert heatmaps.invalid_count == 0
    assert heatmaps.maps.max() == 255


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_number_types_are_shown_likewise(dtype: torch.dtype) -> None:
    values = pictures(5, 4, 6).to(dtype)
    assert_quantised(to_bytes(values), values.float() if dtype != torch.float64 else values)


@given(st.lists(VALUES.filter(lambda value: value == 0 or abs(value) > 1e-6), min_size=1, max_size=20))
def test_zero_stays_in_the_middle_where_anything_is_negative(values: list[float]) -> None:
    heatmaps = to_bytes(torch.tensor([[[*values, 0.0]]]))
    assert heatmaps.signed == (min(values) < 0)
    assert heatmaps.maps[0, 0, -1] == (128 if heatmaps.signed else 0)
    if heatmaps.signed:
        assert heatmaps.low == -heatmaps.high


@given(VALUES, st.integers(0, 60))
def test_values_far_from_zero_and_close_together_keep_their_order(start: float, steps: int) -> None:
    values = np.float32(abs(start)) + np.arange(steps + 1, dtype=np.float32) * np.spacing(np.float32(abs(start) + 60))
    maps = to_bytes(torch.from_numpy(np.sort(values))[None, None]).maps[0, 0].astype(int)
    assert (np.diff(maps) >= 0).all()
    assert maps[0] == 0
    assert maps[-1] in (0, 255)


@pytest.mark.parametrize("value", [0.0, 0.3, 1e6, -3.0, 1e-30])
def test_a_constant_layer_is_one_even_colour(value: float) -> None:
    heatmaps = to_bytes(torch.full((3, 4, 4), value))
    assert np.unique(heatmaps.maps).size == 1
    assert heatmaps.maps[0, 0, 0] == 0
    assert math.isfinite(heatmaps.low)
    assert math.isfinite(heatmaps.high)


def test_what_is_no_number_is_counted_marked_and_kept_out_of_the_range() -> None:
    values = pictures(5, 4, 6)
    broken = torch.zeros(5, 4, 6, dtype=torch.bool)
    spoilt = values.clone()
    for place, value in {(0, 0, 0): torch.nan, (1, 2, 3): torch.inf, (4, 3, 5): -torch.inf}.items():
        spoilt[place], broken[place] = value, True
    for layout in (spoilt, spoilt.permute(1, 2, 0).contiguous().permute(2, 0, 1)):
        heatmaps = to_bytes(layout)
        assert heatmaps.invalid_count == 3
        assert heatmaps.invalid is not None
        assert np.array_equal(heatmaps.invalid, broken.numpy())
        assert (heatmaps.maps[heatmaps.invalid] == 0).all()
        clean = to_bytes(values.masked_fill(broken, 0))
        assert np.array_equal(heatmaps.maps[~heatmaps.invalid], clean.maps[~heatmaps.invalid])
        assert (heatmaps.low, heatmaps.high) == (clean.low, clean.high)


def test_a_layer_of_nothing_but_nan_is_all_marked() -> None:
    heatmaps = to_bytes(torch.full((2, 3, 3), torch.nan))
    assert heatmaps.invalid_count == 18
    assert not heatmaps.maps.any()


@given(st.lists(st.tuples(VALUES, VALUES).map(sorted), min_size=1, max_size=12), st.floats(0, 0.95))
def test_a_smoothed_range_never_clips_and_shrinks_to_a_frame_that_stays(frames: list[list[float]], smoothing: float) -> None:
    span = Range(smoothing)
    for low, high in frames:
        shown = span.update(low, high)
        assert shown[0] <= low
        assert shown[1] >= high
        assert shown[0] == -shown[1] if low < 0 else shown[0] >= 0
    for _ in range(800):
        shown = span.update(low, high)
    alone = Range().update(low, high)
    assert shown == pytest.approx(alone, abs=1e-3 + 1e-6 * abs(alone[1]), rel=1e-3)


def test_without_smoothing_each_frame_has_its_own_range() -> None:
    span = Range()
    assert span.update(1, 9) == (1, 9)
    assert span.update(2, 3) == (2, 3)


def test_smoothing_takes_the_given_share_of_the_last_range() -> None:
    span = Range(0.75)
    assert span.update(0, 100) == (0, 100)
    assert span.update(0, 20) == (0, 80)
    assert span.update(0, 200) == (0, 200)


def test_the_range_is_symmetric_for_as_long_as_there_are_negative_values() -> None:
    span = Range(0.5)
    frames = torch.tensor([[[[0.0, 8.0]]], [[[-1.0, 2.0]]], [[[0.5, 1.0]]]])
    shown = [to_bytes(values, span) for values in frames]
    assert [(heatmaps.low, heatmaps.high, heatmaps.signed) for heatmaps in shown] == [
        (0, 8, False),
        (-5, 5, True),
        (0, 3, False),
    ]


@pytest.mark.parametrize(("fixed", "signed"), [((0.0, 2.0), False), ((-2.0, 2.0), True), ((-1.0, 2.0), False)])
def test_a_fixed_range_holds_and_cuts_what_lies_beyond(fixed: tuple[float, float], signed: bool) -> None:
    span = Range(0.5, fixed)
    for scale in (1, 5):
        values = pictures(3, 4, 4) * scale
        heatmaps = to_bytes(values, span)
        assert (heatmaps.low, heatmaps.high) == fixed
        assert heatmaps.signed == signed
        share = (values.double().numpy().clip(*fixed) - fixed[0]) / (fixed[1] - fixed[0])
        assert np.abs(heatmaps.maps / 255 - share).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("options", [{"smoothing": 1.0}, {"smoothing": -0.1}, {"fixed": (1.0, 1.0)}, {"fixed": (2.0, 1.0)}])
def test_a_range_that_cannot_be_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be at least 0 and below 1|needs low < high"):
        Range(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(5, 4, 6), (4, 4, 4), (1, 5, 3), (7, 1, 1), (3, 1, 4)])
@pytest.mark.parametrize("broken", [False, True])
def test_memory_layout_makes_no_difference(shape: tuple[int, int, int], broken: bool) -> None:
    values = pictures(*shape)
    if broken:
        values[0, 0, 0] = torch.nan
    last = values[None].contiguous(memory_format=torch.channels_last)[0]
    strided = torch.stack([values, -values], -1)[..., 0]
    expected = to_bytes(values.contiguous())
    for other in (last, strided):
        heatmaps = to_bytes(other)
        assert np.array_equal(heatmaps.maps, expected.maps)
        assert heatmaps.maps.flags.c_contiguous
        assert (heatmaps.low, heatmaps.high, heatmaps.invalid_count) == (expected.low, expected.high, int(broken))


def test_the_layers_own_values_are_left_alone() -> None:
    values = pictures(3, 4, 4)
    values[0, 0, 0] = torch.nan
    kept = values.clone()
    to_bytes(values, Range(0, (-1, 1)))
    assert torch.equal(values.nan_to_num(9), kept.nan_to_num(9))


@pytest.mark.parametrize(
    ("shape", "maps"),
    [((6, 4, 5), (6, 4, 5)), ((6,), (6, 1, 1)), ((16, 6), (6, 4, 4)), ((17, 6), (6, 4, 4)), ((7, 6), (6, 1, 7)),
     ((1, 6), (6, 1, 1)), ((3, 2, 4, 5), (3, 2, 20)), ((2, 6), (6, 1, 1))],
)  # fmt: skip
def test_every_rank_becomes_maps(shape: tuple[int, ...], maps: tuple[int, ...]) -> None:
    assert as_maps(pictures(*shape)).shape == maps


def test_tokens_become_maps_row_by_row_without_the_class_token() -> None:
    tokens = torch.arange(10.0)[:, None].repeat(1, 2)
    assert as_maps(tokens)[0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert as_maps(tokens[1:])[1].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize(("tall", "wide", "tile"), [(8, 8, 4), (9, 12, 5), (7, 30, 10), (100, 3, 7)])
def test_shrinking_takes_the_mean_of_whole_areas(tall: int, wide: int, tile: int) -> None:
    maps = pictures(2, tall, wide)
    small = shrink(maps, tile)
    by = math.ceil(tall / tile), math.ceil(wide / tile)
    assert max(small.shape[1:]) <= tile
    exact = maps.double().numpy()
    expected = [
        [[exact[u, y : y + by[0], x : x + by[1]].mean() for x in range(0, wide, by[1])] for y in range(0, tall, by[0])]
        for u in range(2)
    ]
    assert np.allclose(small, expected, atol=1e-6)


def test_maps_that_fit_are_not_touched() -> None:
    maps = pictures(2, 8, 5)
    assert shrink(maps, 8) is maps


@pytest.mark.parametrize(("units", "side"), [(96, 10), (256, 16), (384, 20), (1000, 32), (4096, 64), (1, 1)])
def test_tiles_are_laid_out_as_in_the_toolbox(units: int, side: int) -> None:
    assert tile_grid(units) == (math.ceil(units / side), side)
    assert (units == 1000) or tile_grid(units)[0] in (side, side - 1)


@given(st.integers(1, 5000), st.floats(0.05, 20))
def test_the_grid_has_room_for_every_unit_and_no_empty_row(units: int, aspect: float) -> None:
    rows, columns = tile_grid(units, aspect)
    assert (rows - 1) * columns < units <= rows * columns


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("boost", "gamma"), [(0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (0.0, 0.5), (0.3, 2.0)])
def test_boost_and_gamma_are_the_toolboxs_formulas(boost: float, gamma: float, signed: bool) -> None:
    values = pictures(5, 4, 6).double().numpy() if signed else pictures(5, 4, 6).relu().double().numpy()
    heatmaps = to_bytes(torch.from_numpy(values))
    d = values / np.abs(values).max()
    if not signed:
        d = (values - values.min()) / (values.max() - values.min() + 1e-10)
    peak = np.abs(d).max((1, 2), keepdims=True)
    expected = np.sign(d) * (np.abs(d) * (peak + 1e-10) ** -boost).clip(0, 1) ** gamma
    bent = bend(heatmaps.maps, boost=boost, gamma=gamma, signed=signed)
    slope = gamma / max(peak.min(), 1e-3) ** boost if gamma >= 1 else 12  # how much one byte's rounding may grow
    assert np.abs(bent - expected).max() <= (1 + signed) * slope / 255 + 1e-6


@pytest.mark.parametrize("signed", [False, True])
def test_a_unit_that_is_zero_stays_so_whatever_the_boost(signed: bool) -> None:
    values = pictures(3, 4, 4) if signed else pictures(3, 4, 4).abs()
    values[1] = 0
    bent = bend(to_bytes(values).maps, boost=1.0, signed=signed)
    assert np.abs(bent[1]).max() < 1 / 127
    assert np.abs(bent[2]).max() == pytest.approx(1)


@pytest.mark.parametrize("shape", [(7, 3, 3), (5, 2, 6), (1, 9, 4), (10, 1, 1)])
def test_every_value_can_be_found_again_in_the_mosaic(shape: tuple[int, int, int]) -> None:
    units, tall, wide = shape
    maps = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    colours = np.stack([np.arange(256)] * 3, 1).astype(np.uint8)
    rows, columns = tile_grid(units, tall / wide)
    picture = mosaic(Heatmaps(maps, 0.0, 1.0, signed=False), colours, side=120)
    zoom = 120 // (columns * (wide + 1))
    cell = tall * zoom + 1, wide * zoom + 1
    assert picture.shape == (rows * cell[0], columns * cell[1], 3)
    tiles = picture.reshape(rows, cell[0], columns, cell[1], 3).swapaxes(1, 2).reshape(-1, *cell, 3)
    assert np.array_equal(tiles[:units, :-1:zoom, :-1:zoom, 0], maps)
    assert np.unique(tiles[units:]).tolist() in ([], [128])
    assert (tiles[:, -1] == 128).all()


def test_the_mosaic_is_about_as_tall_as_it_is_wide_also_where_maps_are_not() -> None:
    colours = np.zeros((256, 3), np.uint8)
    for tall, wide in ((4, 16), (16, 4), (8, 8)):
        height, width, _ = mosaic(Heatmaps(np.zeros((64, tall, wide), np.uint8), 0, 1, signed=False), colours, side=200).shape
        assert 0.5 < height / width < 2


def test_the_mosaic_shows_what_is_no_number_in_magenta() -> None:
    invalid = np.zeros((1, 2, 2), bool)
    invalid[0, 0, 1] = True
    heatmaps = Heatmaps(np.zeros((1, 2, 2), np.uint8), 0, 1, signed=False, invalid=invalid)
    picture = mosaic(heatmaps, np.zeros((256, 3), np.uint8), side=3)
    assert picture[0, 1].tolist() == [255, 0, 255]
    assert picture[0, 0].tolist() == [0, 0, 0]
