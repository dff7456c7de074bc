"""Every kind of picture becomes the numbers that torchvision's transforms make of it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torchvision.transforms import functional as F
from torchvision.transforms._presets import ImageClassification

import deepvis_widgets as dv
from deepvis_widgets.models import VisionModel
from tests.networks import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

TALL, WIDE = 11, 17


def random_pixels(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def as_seen(source: Any, channels: int = 3, size: tuple[int, int] = (TALL, WIDE)) -> Pixels:
    """The pixels (H, W, C) that a network of the picture's own size gets."""
    model = dv.wrap(nn.Identity(), input_size=(channels, *size), mean=(0.0,) * channels, std=(1.0,) * channels)
    return (model.preprocess(source)[0] * 255).round().byte().permute(1, 2, 0).numpy()


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


SIDE = st.integers(1, 90)


@given(tall=SIDE, wide=SIDE, crop=st.integers(4, 24), margin=st.sampled_from([1.0, 256 / 224, 1.02, 1.5]))
@settings(deadline=None, max_examples=60)
def test_any_size_of_picture_gives_what_torchvisions_transforms_give(tall: int, wide: int, crop: int, margin: float) -> None:
    assume(max(tall, wide) <= 20 * min(tall, wide))  # see the hair below
    resize = round(crop * margin)
    image = Image.fromarray(random_pixels(tall, wide, 3, seed=tall * wide))
    theirs = ImageClassification(crop_size=crop, resize_size=resize)
    model = VisionModel("", nn.Identity(), (3, crop, crop), tuple(theirs.mean), tuple(theirs.std), margin=resize / crop)
    assert torch.equal(model.preprocess(image)[0], theirs(image))


def test_a_path_bytes_a_picture_an_array_a_tensor_and_lists_of_them_agree(tmp_path: Path) -> None:
    pixels = random_pixels(30, 40, 3)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.png")
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    data = encoded(image)
    sources = [tmp_path / "a.png", str(tmp_path / "a.png"), data, bytearray(data), memoryview(data), image, pixels, tensor]
    model = dv.wrap(nn.Identity(), input_size=(3, 16, 16))
    expected = model.preprocess(image)
    assert expected.shape == (1, 3, 16, 16)
    assert expected.dtype == torch.float32
    assert all(torch.equal(model.preprocess(source), expected) for source in sources)
    assert torch.equal(model.preprocess(sources), expected.repeat(len(sources), 1, 1, 1))
    assert torch.equal(model.preprocess(np.stack([pixels] * 2)), expected.repeat(2, 1, 1, 1))
    assert torch.equal(model.preprocess(torch.stack([tensor] * 2)), expected.repeat(2, 1, 1, 1))


def test_floats_in_0_to_1_are_a_picture_as_an_array_and_preprocessed_as_a_tensor() -> None:
    pixels = random_pixels(TALL, WIDE, 3)
    assert np.array_equal(as_seen(pixels / 255), pixels)
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(dv.wrap(nn.Identity(), input_size=(3, 16, 16)).preprocess(x), x.float())


ORIENTED: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", ORIENTED)
def test_a_picture_is_turned_as_its_camera_noted(orientation: int) -> None:
    pixels = random_pixels(TALL, WIDE, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = ORIENTED[orientation](pixels)
    for kind in ("PNG", "TIFF"):
        file = encoded(Image.fromarray(pixels), kind, exif=exif)
        assert np.array_equal(as_seen(file, size=upright.shape[:2]), upright)


def on_white(pixels: Pixels, alpha: Pixels) -> NDArray[np.float64]:
    share = alpha[..., None] / 255
    return pixels * share + 255 * (1 - share)


@pytest.mark.parametrize("grey", [False, True])
def test_transparency_is_laid_on_white(grey: bool) -> None:
    pixels, alpha = random_pixels(TALL, WIDE, 1 if grey else 3), random_pixels(TALL, WIDE, seed=1)
    expected = on_white(pixels, alpha)
    assert np.abs(as_seen(np.dstack([pixels, alpha])) - expected).max() <= 1
    assert np.abs(as_seen(encoded(Image.fromarray(np.dstack([pixels, alpha])))) - expected).max() <= 1


@pytest.mark.parametrize("transparent", [False, True])
def test_a_palette_is_looked_up_and_its_transparent_colour_is_white(transparent: bool) -> None:
    colours, index = random_pixels(8, 3), random_pixels(TALL, WIDE) % 8
    image = Image.fromarray(index, mode="L").convert("P")
    image.putdata(index.flatten().tolist())
    image.putpalette(colours.flatten().tolist())
    expected = colours[index]
    if transparent:
        expected[index == 5] = 255
    assert np.array_equal(as_seen(encoded(image, **({"transparency": 5} if transparent else {}))), expected)


def test_grey_and_black_and_white_become_equal_channels() -> None:
    grey = random_pixels(TALL, WIDE)
    for source in (grey, grey[..., None], torch.from_numpy(grey), encoded(Image.fromarray(grey))):
        assert np.array_equal(as_seen(source), np.dstack([grey] * 3))
    two = grey > 127
    for source in (two, encoded(Image.fromarray(two))):
        assert np.array_equal(as_seen(source), np.dstack([two * np.uint8(255)] * 3))


def test_16_bit_keeps_its_upper_half() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (TALL, WIDE)).astype(np.uint16)
    deep[0, 0] = 65535
    for source in (deep, encoded(Image.fromarray(deep))):
        assert np.array_equal(as_seen(source), np.dstack([(deep // 257).astype(np.uint8)] * 3))


def test_cmyk_and_ycbcr_are_converted_as_pillow_converts_them(tmp_path: Path) -> None:
    for mode in ("CMYK", "YCbCr"):
        Image.fromarray(random_pixels(TALL, WIDE, 3)).convert(mode).save(tmp_path / "a.jpg", quality=95)
        with Image.open(tmp_path / "a.jpg") as image:
            assert np.array_equal(as_seen(tmp_path / "a.jpg"), np.asarray(image.convert("RGB")))


def test_a_grey_network_gets_luminance_and_a_four_channel_one_keeps_transparency() -> None:
    pixels = random_pixels(TALL, WIDE, 4)
    opaque = Image.fromarray(pixels[..., :3])
    assert np.array_equal(as_seen(opaque, 1)[..., 0], np.asarray(opaque.convert("L")))
    assert np.array_equal(as_seen(encoded(Image.fromarray(pixels)), 4), pixels)
    assert (as_seen(opaque, 4)[..., 3] == 255).all()


@pytest.mark.parametrize("channels", [2, 6])
def test_networks_with_other_channels_take_arrays_that_have_as_many(channels: int) -> None:
    pixels = random_pixels(TALL, WIDE, channels)
    assert np.array_equal(as_seen(pixels, channels), pixels)
    assert np.array_equal(as_seen(torch.from_numpy(pixels).permute(2, 0, 1), channels), pixels)
    with pytest.raises(dv.ImageError, match=f"3 channels, the network takes {channels}|takes {channels}; give an array"):
        as_seen(pixels[..., :1].repeat(3, 2), channels)
    with pytest.raises(dv.ImageError, match=f"{channels}"):
        as_seen(encoded(Image.fromarray(random_pixels(4, 4, 3))), channels)


@pytest.mark.parametrize(("tall", "wide"), [(24, 40), (48, 40), (24, 90)])
def test_inputs_that_are_not_square_are_covered_without_distortion(tall: int, wide: int) -> None:
    model = dv.wrap(nn.Identity(), input_size=(3, 12, 20), **PLAIN)
    image = Image.fromarray(random_pixels(tall, wide, 3))
    scale = max(12 / tall, 20 / wide)
    whole = F.resize(image, [round(tall * scale), round(wide * scale)], antialias=True)
    assert torch.equal(model.preprocess(image)[0], F.to_tensor(F.center_crop(whole, [12, 20])))


def test_a_hair_is_cut_before_it_is_enlarged() -> None:
    hair = np.full((1, 60_000, 3), 255, np.uint8)  # enlarged as a whole: 224 x 13,440,000 pixels
    hair[0, 29_999:30_001] = 0
    model = dv.wrap(nn.Identity(), input_size=(3, 224, 224), **PLAIN)
    assert model.preprocess(hair).shape == (1, 3, 224, 224)
    assert model.preprocess(hair).max() < 0.5
