"""Pictures of every kind -> one tensor of the size a network takes."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST = 100_000_000  # pixels; a 100-megapixel picture takes 300 MB decoded, and nobody's network is better for more
NARROW = 32  # pictures that cover this many times what is cut out of them are cut first and scaled then
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # the PIL mode with as many channels as the network takes


class ImageError(ValueError):
    """A picture that cannot be used; the message names the picture and says what is wrong with it."""


def decode(source: Any, channels: int) -> Image.Image | torch.Tensor:  # takes whatever a user has
    """One picture with the given number of channels, at its own size.

    Args:
        source: a path, the bytes of an image file, a PIL image, a uint8 or uint16 array (H, W) or (H, W, C), a float
            array in 0..1 of the same shapes, or a uint8 tensor (H, W) or (C, H, W).
        channels: what the network takes: 1 (grey), 3 (RGB), 4 (RGBA), or any number for arrays that have as many.

    Returns:
        A PIL image, or for numbers of channels that PIL has no mode for, a uint8 tensor (C, H, W). EXIF orientation is
        applied, transparency is laid on white, and 16-bit values are scaled to 8.

    Raises:
        ImageError: the picture is missing, empty, cut short, too large or no picture, or has other channels.
    """
    if isinstance(source, str | Path):
        return _to_mode(_open(Path(source), str(source)), channels, str(source))
    if isinstance(source, bytes | bytearray | memoryview):
        name = f"picture of {len(source)} bytes"
        return _to_mode(_open(io.BytesIO(bytes(source)), name), channels, name)
    if isinstance(source, Image.Image):
        return _to_mode(source, channels, getattr(source, "filename", "") or "PIL image")
    if isinstance(source, np.ndarray | torch.Tensor):
        return _from_array(source, channels)
    kinds = "a path, bytes, a PIL image, a numpy array or a tensor"
    raise ImageError(f"cannot read a picture from {type(source).__name__}; give {kinds}")


def fit(image: Image.Image | torch.Tensor, size: tuple[int, int], margin: float, mode: InterpolationMode) -> torch.Tensor:
    """Scale so that the picture covers ``size`` times ``margin``, then cut ``size`` from its centre.

    Args:
        image: a PIL image or a uint8 tensor (C, H, W).
        size: height and width in pixels.
        margin: how much larger the picture is made than what is cut out, e.g. 256 / 224.
        mode: the interpolation.

    Returns:
        (C, height, width) float in 0..1. The same numbers as torchvision's classification transforms give.
    """
    wide, tall = image.size if isinstance(image, Image.Image) else (image.shape[2], image.shape[1])
    scale = max(size[0] * margin / tall, size[1] * margin / wide)
    # As torchvision: the side that decides is rounded, the other is cut to whole pixels.
    target = [max(math.floor(side * scale + 1e-6), least) for side, least in zip((tall, wide), size, strict=True)]
    if max(target[0] / size[0], target[1] / size[1]) > NARROW:  # a hair of 1 x 10000 pixels would be a gigabyte when enlarged
        image = F.center_crop(image, [min(tall, math.ceil(size[0] / scale)), min(wide, math.ceil(size[1] / scale))])
        target = list(size)
    resized = F.resize(image, target, interpolation=mode, antialias=True)
    cropped = F.center_crop(resized, list(size))
    pixels = cropped if isinstance(cropped, torch.Tensor) else F.pil_to_tensor(cropped)
    scaled: torch.Tensor = F.convert_image_dtype(pixels, torch.float32)
    return scaled


def as_list(images: Any) -> Sequence[Any]:  # as decode
    """One picture or many -> many; a uint8 batch, (N, H, W, C) array or (N, C, H, W) tensor, is many."""
    if isinstance(images, list | tuple):
        if not images:
            raise ImageError("an empty list holds no picture; give at least one")
        return images
    if isinstance(images, np.ndarray | torch.Tensor) and images.ndim == 4:
        return list(images)
    return [images]


def _open(file: Path | io.BytesIO, name: str) -> Image.Image:
    try:
        with Image.open(file) as image:
            _check_size(image, name)
            image.load()
            image.getexif()  # some formats read it late, from a file that is closed then
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is empty or not a picture in a format that Pillow reads") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is too large: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{name} cannot be read: {error}") from error
    return image


def _check_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > LARGEST:
        raise ImageError(f"{name} has {image.width} x {image.height} pixels; at most {LARGEST:,} can be used")


def _to_mode(image: Image.Image, channels: int, name: str) -> Image.Image:
    if channels not in MODES:
        raise ImageError(f"{name} has 1 to 4 channels, the network takes {channels}; give an array (H, W, {channels})")
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode == "F" or image.mode.startswith("I"):
            image = Image.fromarray(_to_uint8(np.asarray(image), name))
        if channels != 4 and ("A" in image.mode or "a" in image.mode or "transparency" in image.info):
            rgba = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        return image.convert(MODES[channels])
    except (OSError, SyntaxError) as error:  # a PIL image decodes late: its file may turn out to be cut short only here
        raise ImageError(f"{name} cannot be read: {error}") from error


def _from_array(array: np.ndarray | torch.Tensor, channels: int) -> Image.Image | torch.Tensor:
    name = f"{type(array).__name__} of shape {tuple(array.shape)}"
    if isinstance(array, torch.Tensor):
        array = array.detach().cpu()
        array = (array.permute(1, 2, 0) if array.ndim == 3 else array).numpy()
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ImageError(f"{name} is no picture; give (H, W), (H, W, C) or, as a tensor, (C, H, W)")
    pixels = _to_uint8(array, name)
    has = 1 if pixels.ndim == 2 else pixels.shape[2]
    if has in (2, *MODES) and channels in MODES:
        return _to_mode(Image.fromarray(pixels.squeeze(2) if pixels.ndim == 3 and has == 1 else pixels), channels, name)
    if has != channels:
        raise ImageError(f"{name} has {has} channels, the network takes {channels}")
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _to_uint8(array: np.ndarray, name: str) -> np.ndarray:
    """8-bit stays; 16-bit is divided by 257; floats must lie in 0..1."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype.kind not in "iuf":
        raise ImageError(f"{name} ({array.dtype}) holds no grey values; give uint8, uint16 or floats in 0..1")
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind in "iu" and low >= 0 and high <= 65535:
        return (array // 257 if high > 255 else array).astype(np.uint8)
    if array.dtype.kind == "f" and low >= 0 and high <= 1:
        return (array * 255 + 0.5).astype(np.uint8)
    raise ImageError(f"{name} ({array.dtype}) has values from {low:g} to {high:g}; give uint8, uint16 or floats in 0..1")
