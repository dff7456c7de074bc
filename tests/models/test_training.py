"""The script that trained the bundled network runs end to end and leaves what the package loads."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import deepvis_widgets as dv
from deepvis_widgets.models import train_bundled
from deepvis_widgets.models.bundled import CaffeNetMini
from deepvis_widgets.models.train_bundled import Phase, Recipe
from tests.networks import seeded

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [f"class {i}" for i in range(200)]


def write(file: Path, count: int, seed: int) -> np.ndarray:
    """Random pictures in the data set's format; the pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    files = []
    for picture in pixels:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, format="WebP", lossless=True)
        files.append(buffer.getvalue())
    offsets = np.cumsum([0, *map(len, files)])
    np.savez(file, images=np.frombuffer(b"".join(files), np.uint8), offsets=offsets, labels=np.arange(count, dtype=np.int16))
    return pixels


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(2):
        write(folder / f"train-{number}.npz", 9, number)
    write(folder / "val.npz", 4, 9)
    (folder / "labels.json").write_text(json.dumps([{"name": name} for name in NAMES]))
    return folder


def test_reading_gives_back_the_pictures_of_all_files_in_order(tmp_path: Path) -> None:
    expected = np.concatenate([write(tmp_path / f"{number}.npz", 3, number) for number in range(2)])
    read = train_bundled.read([tmp_path / "0.npz", tmp_path / "1.npz"])
    assert np.array_equal(read.pixels.numpy(), expected)
    assert read.labels.tolist() == [0, 1, 2, 0, 1, 2]


def parameters(folder: Path) -> dict[str, torch.Tensor]:
    """What the script wrote, after what must hold for it: half precision, loadable, finite, with its labels beside it."""
    weights = load_file(folder / "caffenet-mini.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}
    seeded(CaffeNetMini).load_state_dict(weights)
    assert all(value.isfinite().all() for value in weights.values())
    assert json.loads((folder / "caffenet-mini.labels.json").read_text()) == NAMES
    return weights


def test_the_command_line_trains_and_leaves_a_network(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = Recipe((Phase(1, 32, 0.5), Phase(1, 48, 0.9)), batch=9, averaging=0.5)
    monkeypatch.setattr(train_bundled, "Recipe", lambda: recipe)
    monkeypatch.setattr("sys.argv", ["train_bundled", str(data), str(tmp_path / "out")])
    with caplog.at_level(logging.INFO):
        seeded(train_bundled.main)
    assert "epoch 1/2 at 32 px" in caplog.text
    assert "epoch 2/2 at 48 px" in caplog.text
    parameters(tmp_path / "out")


def test_an_epoch_learns_the_pictures_it_sees(data: Path) -> None:
    pictures = train_bundled.read(sorted(data.glob("train-*.npz")))

    def losses() -> list[float]:
        recipe = Recipe((), batch=9, peak_rate=0.05, label_smoothing=0)
        training = train_bundled.Training(recipe, 10)
        return [training.epoch(pictures, Phase(5, 24, 1.0)) for _ in range(5)]

    course = seeded(losses)
    assert course[-1] < 0.8 * course[0]


def test_augmented_pictures_have_the_phases_size_and_no_value_that_was_not_between_two() -> None:
    x = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    out = train_bundled.augment(x, Phase(1, 48, 0.35), torch.Generator().manual_seed(1))
    assert out.shape == (6, 3, 48, 48)
    assert (out.amin((1, 2, 3)) >= x.amin((1, 2, 3)) - 1e-6).all()
    assert (out.amax((1, 2, 3)) <= x.amax((1, 2, 3)) + 1e-6).all()
    assert out.std() > 0.1


def test_augmentation_is_drawn_from_its_generator_alone() -> None:
    x = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    first, again, other = (train_bundled.augment(x, Phase(1, 32, 0.5), torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_normalised_pictures_are_those_that_the_package_feeds(data: Path) -> None:
    pixels = train_bundled.read([data / "val.npz"]).pixels
    fed = dv.load("caffenet-mini").normalize(pixels.permute(0, 3, 1, 2) / 255)
    assert torch.allclose(train_bundled.normalise(pixels), fed, atol=1e-5)
