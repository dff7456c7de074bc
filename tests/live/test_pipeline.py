"""One step of the pipeline is, byte by byte, what the other rooms compute one after the other."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import functional as F

import deepvis_widgets as dv
from deepvis_widgets.activations.heatmaps import Range, as_maps, shrink, to_bytes
from tests.networks import Function, seeded, small_classifier, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LAYERS = ("conv", "relu", "pool", "deep", "flat", "head")


def frame(tall: int = 16, wide: int = 16, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (tall, wide, channels), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> dv.VisionModel:
    return wrapped(seeded(small_classifier), labels=[f"class of {i}" for i in range(7)])


def by_hand(model: dv.VisionModel, pixels: NDArray[np.uint8] | torch.Tensor, layer: str, tile: int = 256) -> tuple[Any, ...]:
    activation = dv.Inspector(model).activations(pixels, layer)[0]
    heatmaps = to_bytes(shrink(as_maps(activation), tile))
    return heatmaps.maps, heatmaps.low, heatmaps.high, heatmaps.signed


def assert_same(result: dv.GridFrame, expected: tuple[Any, ...], off: int = 1) -> None:
    """The picture is normalised in another order of operations, so the last digit of a float may differ."""
    maps, low, high, signed = expected
    assert result.maps.shape == maps.shape
    assert result.maps.dtype == np.uint8
    assert np.abs(result.maps.astype(int) - maps).max() <= off
    assert (np.abs(result.maps.astype(int) - maps) > 0).mean() < 0.01
    assert (result.low, result.high) == pytest.approx((low, high), rel=1e-4, abs=1e-5)
    assert result.signed == signed


@pytest.mark.parametrize("layer", LAYERS)
def test_maps_are_the_inspectors_activations_in_bytes(model: dv.VisionModel, layer: str) -> None:
    result = dv.LivePipeline(model, layer).step(frame())
    assert_same(result, by_hand(model, frame(), layer))
    assert result.layer == layer
    assert result.seconds > 0


def test_predictions_are_the_inspectors(model: dv.VisionModel) -> None:
    ours = dv.LivePipeline(model, "conv", k=4).step(frame()).predictions
    (theirs,) = dv.Inspector(model).predict(frame(), k=4)
    assert [(p.label, p.index) for p in ours] == [(p.label, p.index) for p in theirs]
    assert [p.probability for p in ours] == pytest.approx([p.probability for p in theirs], abs=1e-5)


def test_the_fourth_channel_of_a_canvas_makes_no_difference(model: dv.VisionModel) -> None:
    rgb = frame()
    rgba = np.dstack([rgb, frame(channels=1, seed=1)])
    plain, canvas = (dv.LivePipeline(model, "deep").step(pixels) for pixels in (rgb, rgba))
    assert np.array_equal(plain.maps, canvas.maps)
    assert plain.predictions == canvas.predictions


def test_arrays_in_any_memory_layout_are_frames(model: dv.VisionModel) -> None:
    mirrored = frame()[:, ::-1]
    sealed = frame()
    sealed.flags.writeable = False
    pipeline = dv.LivePipeline(model, "conv")
    assert np.array_equal(pipeline.step(mirrored).maps, pipeline.step(mirrored.copy()).maps)
    assert np.array_equal(pipeline.step(sealed).maps, pipeline.step(frame()).maps)


@pytest.mark.parametrize(("tall", "wide"), [(32, 32), (48, 64), (64, 48), (9, 12), (16, 30), (1, 1)])
def test_a_frame_of_another_size_is_covered_and_cut_as_a_picture_is(model: dv.VisionModel, tall: int, wide: int) -> None:
    y, x = np.mgrid[0:tall, 0:wide] / max(tall, wide)  # smooth, so that only the rounding differs
    pixels = (np.dstack([y, x, (y + x) / 2]) * 255).astype(np.uint8)
    result = dv.LivePipeline(model, "conv").step(pixels)
    expected = by_hand(model, pixels, "conv")[0]
    assert result.maps.shape == expected.shape
    assert np.abs(result.maps.astype(int) - expected).mean() < 3


def test_networks_that_are_not_square_and_take_grey_get_what_they_take() -> None:
    network = wrapped(seeded(lambda: nn.Sequential(nn.Conv2d(1, 4, 3))), (1, 12, 20), mean=[0.4], std=[0.2])
    pixels = frame(12, 20)
    shown = dv.LivePipeline(network, "0", k=0).step(pixels).maps.astype(int)
    assert np.abs(shown - by_hand(network, pixels, "0")[0]).max() <= 2  # Pillow rounds grey to a byte
    grey = F.rgb_to_grayscale(torch.from_numpy(pixels).permute(2, 0, 1).float() / 255)
    exact = to_bytes(network.module(((grey - 0.4) / 0.2)[None]).detach()[0])
    assert np.abs(shown - exact.maps).max() <= 1


def test_maps_are_averaged_down_to_the_tile_they_are_shown_in(model: dv.VisionModel) -> None:
    pipeline = dv.LivePipeline(model, "conv", tile=5)
    assert pipeline.step(frame()).maps.shape == (8, 4, 4)
    assert_same(pipeline.step(frame()), by_hand(model, frame(), "conv", tile=5))
    pipeline.tile = 16
    assert pipeline.step(frame()).maps.shape == (8, 16, 16)


def test_the_range_follows_slowly_and_starts_anew_with_another_layer(model: dv.VisionModel) -> None:
    pipeline = dv.LivePipeline(model, "relu", smoothing=0.5)
    bright, dark = frame(), frame() // 8 + 110
    span = Range(0.5)
    for pixels in (bright, dark, dark, dark):
        result = pipeline.step(pixels)
        alone = to_bytes(dv.Inspector(model).activations(pixels, "relu")[0])
        assert (result.low, result.high) == pytest.approx(span.update(alone.low, alone.high), rel=1e-4, abs=1e-5)
    assert result.high > alone.high
    pipeline.layer = "deep"
    pipeline.layer = "relu"
    assert pipeline.step(dark).high == pytest.approx(alone.high, rel=1e-4)


def test_without_predictions_the_pass_ends_at_the_layer() -> None:
    ran: list[str] = []

    def noting(name: str) -> nn.Module:
        return Function(lambda x: ran.append(name) or x * 1)  # type: ignore[func-returns-value]

    network = wrapped(nn.Sequential(noting("first"), noting("second")))
    for k, expected in ((0, ["first"]), (3, ["first", "second"])):
        pipeline = dv.LivePipeline(network, "0", k=k)
        ran.clear()
        assert pipeline.step(frame()).predictions == ()
        assert ran == expected


OTHERS: dict[str, Callable[[Tensor], Any]] = {
    "segmentation": lambda x: {"out": x},
    "nothing found": lambda x: [{"boxes": x.new_zeros(0, 4), "scores": x.new_zeros(0)}],
    "one found": lambda x: [{"boxes": x.new_ones(1, 4), "scores": x.new_ones(1)}],
    "many found": lambda x: [{"boxes": x.new_ones(9, 4), "scores": x.new_ones(9)}],
    "nothing": lambda x: None,
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_network_that_is_no_classifier_has_maps_and_no_predictions(kind: str) -> None:
    network = wrapped(nn.Sequential(seeded(lambda: nn.Conv2d(3, 4, 3)), Function(OTHERS[kind])))
    result = dv.LivePipeline(network, "0").step(frame())
    assert result.predictions == ()
    assert_same(result, by_hand(network, frame(), "0"))


def test_a_network_that_yields_no_numbers_shows_so_and_goes_on() -> None:
    poison = Function(lambda x: torch.where(x > 1.5, torch.nan, x))
    network = wrapped(nn.Sequential(poison, seeded(small_classifier)))
    pipeline = dv.LivePipeline(network, "0", smoothing=0.5)
    pixels = frame()
    bad = pipeline.step(pixels)
    too_bright = dv.Inspector(network).activations(pixels, "0")[0].isnan().numpy()
    assert bad.invalid_count == too_bright.sum() > 0
    assert np.array_equal(bad.invalid, too_bright)
    assert bad.predictions == ()
    good = pipeline.step(pixels // 8)
    assert good.invalid is None
    assert len(good.predictions) == 5
    assert np.isfinite([good.low, good.high]).all()


def test_a_step_never_mixes_two_layers_while_another_thread_switches(model: dv.VisionModel) -> None:
    pipeline = dv.LivePipeline(model, "conv", smoothing=0.5)
    expected = {layer: by_hand(model, frame(), layer) for layer in LAYERS}
    over = threading.Event()

    def switch() -> int:
        switches = 0
        while not over.is_set():
            pipeline.layer = LAYERS[switches % len(LAYERS)]
            switches += 1
        return switches

    with ThreadPoolExecutor(1) as pool:
        switching = pool.submit(switch)
        try:
            for _ in range(50):
                result = pipeline.step(frame())
                assert_same(result, expected[result.layer])
        finally:
            over.set()
        assert switching.result(60) > len(LAYERS)


def test_an_unknown_layer_is_named_and_the_shown_one_stays(model: dv.VisionModel) -> None:
    pipeline = dv.LivePipeline(model, "conv")
    with pytest.raises(ValueError, match="'covn'"):
        pipeline.layer = "covn"
    assert pipeline.layer == "conv"
    with pytest.raises(ValueError, match="'nowhere'"):
        dv.LivePipeline(model, "nowhere")


@pytest.mark.parametrize(
    ("shape", "dtype"), [((4, 4), "uint8"), ((4, 4, 2), "uint8"), ((0, 4, 3), "uint8"), ((4, 4, 3), "float64")]
)
def test_what_is_no_frame_is_described(model: dv.VisionModel, shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"a frame must be (H, W, 3 or 4) uint8, not {shape} {dtype}")):
        dv.LivePipeline(model, "conv").step(np.zeros(shape, dtype))


def test_a_network_that_takes_neither_grey_nor_colour_says_so() -> None:
    network = wrapped(nn.Sequential(nn.ReLU()), (6, 8, 8), name="spectral")
    with pytest.raises(ValueError, match="spectral takes 6 channels; a camera gives 3"):
        dv.LivePipeline(network, "0").step(frame(8, 8))


def test_what_the_network_raises_comes_through_and_the_next_frame_goes_on() -> None:
    def touchy(x: Tensor) -> Tensor:
        if x.max() > 1e6:
            raise ArithmeticError("too bright")
        return x * 1

    network = wrapped(nn.Sequential(Function(touchy)), mean=(0.0,) * 3, std=(1e-7,) * 3)
    pipeline = dv.LivePipeline(network, "0")
    with pytest.raises(ArithmeticError, match="too bright"):
        pipeline.step(np.full((16, 16, 3), 255, np.uint8))
    assert pipeline.step(np.zeros((16, 16, 3), np.uint8)).maps.shape == (3, 16, 16)


def test_a_frame_of_the_networks_size_is_taken_as_cut_already() -> None:
    network = dv.load("caffenet-mini")
    pixels = frame(64, 64)
    cut = network.normalize(torch.from_numpy(pixels[..., :3].copy()).permute(2, 0, 1)[None] / 255)
    result = dv.LivePipeline(network, "conv5").step(pixels)
    assert_same(result, by_hand(network, cut, "conv5"))
    assert result.maps.shape == (192, 8, 8)
    assert [p.index for p in result.predictions] == [p.index for p in dv.Inspector(network).predict(cut)[0]]


def test_a_picture_of_any_size_is_scaled_and_cut_as_preprocess_does_it() -> None:
    network = dv.load("caffenet-mini")
    picture = Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    seen = dv.LivePipeline(network, "conv5").step(np.asarray(Image.open(picture))).predictions
    said = dv.Inspector(network).predict(picture)[0]
    assert [p.index for p in seen] == [p.index for p in said]
    assert [p.probability for p in seen] == pytest.approx([p.probability for p in said], abs=0.02)


def test_a_half_precision_network_is_fed_its_own_numbers() -> None:
    network = wrapped(seeded(small_classifier).bfloat16())
    result = dv.LivePipeline(network, "conv").step(frame())
    assert_same(result, by_hand(network, frame(), "conv"), off=3)
