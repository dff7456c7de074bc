"""What is no usable picture is refused with its name, whatever stands beside it."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import deepvis_widgets as dv

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = dv.wrap(nn.Identity(), input_size=(3, 8, 8))
GOOD = np.full((9, 9, 3), 7, np.uint8)


def encoded(kind: str, side: int = 64) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(buffer, format=kind)
    return buffer.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


BAD: dict[str, Callable[[Path], Any]] = {
    "truncated.jpg": lambda path: path.write_bytes(encoded("JPEG")[:1500]),
    "truncated.png": lambda path: path.write_bytes(encoded("PNG")[:5000]),
    "header-only.png": lambda path: path.write_bytes(encoded("PNG")[:20]),
    "empty.jpg": lambda path: path.touch(),
    "text.png": lambda path: path.write_text("this is no picture"),
    "folder.png": lambda path: path.mkdir(),
    "missing.png": lambda path: None,
    "bomb.png": lambda path: path.write_bytes(png_of_size(200_000, 200_000)),
    "large.png": lambda path: path.write_bytes(png_of_size(10_001, 10_000)),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_and_the_good_ones_beside_it_do_not_hide_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    BAD[name](path)
    for source in (path, str(path), [GOOD, path, GOOD]):
        with pytest.raises(dv.ImageError, match=name):
            MODEL.preprocess(source)
    if path.is_file():
        with pytest.raises(dv.ImageError, match=f"picture of {path.stat().st_size} bytes"):
            MODEL.preprocess(path.read_bytes())


def test_a_picture_that_pillow_opened_but_cannot_decode_is_named(tmp_path: Path) -> None:
    path = tmp_path / "late.png"
    path.write_bytes(encoded("PNG")[:5000])
    with Image.open(path) as image, pytest.raises(dv.ImageError, match=r"late\.png"):
        MODEL.preprocess(image)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (None, "NoneType"),
        (3, "int"),
        ([], "empty list"),
        ({}, "dict"),
        (np.zeros(5, np.uint8), r"shape \(5,\)"),
        (np.zeros((2, 2, 2, 2, 3), np.uint8), r"shape \(2, 2, 2, 2, 3\)"),
        (np.zeros((0, 9, 3), np.uint8), r"shape \(0, 9, 3\)"),
        (np.zeros((9, 9, 7), np.uint8), "7 channels"),
        (np.full((9, 9, 3), 300.0), "300"),
        (np.full((9, 9, 3), -1), "-1"),
        (np.full((9, 9, 3), np.nan), "nan"),
        (np.full((9, 9, 3), np.inf), "inf"),
        (np.zeros((9, 9, 3), np.complex64), "complex64"),
        (np.full((9, 9), "a"), "<U1"),
        (torch.zeros(3, 8, 8), r"\(N, 3, H, W\), not \(3, 8, 8\)"),
        (torch.zeros(1, 4, 8, 8), r"\(N, 3, H, W\), not \(1, 4, 8, 8\)"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_value_that_is_no_picture_is_described(source: Any, match: str) -> None:
    with pytest.raises(dv.ImageError, match=match):
        MODEL.preprocess(source)


def test_a_preprocessed_tensor_passes_as_it_is_also_where_it_is_nan() -> None:
    x = torch.zeros(1, 3, 8, 8)
    x[0, 1, 2, 3] = torch.nan
    assert torch.equal(MODEL.preprocess(x).isnan(), x.isnan())


def test_a_bad_file_is_closed_again(tmp_path: Path) -> None:
    open_files = Path("/proc/self/fd")
    if not open_files.is_dir():
        pytest.skip("counts open files in /proc")
    path = tmp_path / "cut.png"
    path.write_bytes(encoded("PNG")[:5000])
    before = len(list(open_files.iterdir()))
    errors = []
    for _ in range(5):
        with pytest.raises(dv.ImageError) as error:
            MODEL.preprocess(path)
        errors.append(error)  # and with it the frames that hold the picture
    assert len(list(open_files.iterdir())) == before
