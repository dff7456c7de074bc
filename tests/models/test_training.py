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
from torch import nn

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


def test_the_command_line_trains_both_cycles_or_the_second_alone(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def run(*arguments: str | Path) -> str:
        monkeypatch.setattr("sys.argv", ["train_bundled", *map(str, arguments)])
        caplog.clear()
        with caplog.at_level(logging.INFO):
            seeded(train_bundled.main)
        return caplog.text

    monkeypatch.setattr(train_bundled, "FIRST", Recipe((Phase(1, 32, 0.5), Phase(1, 48, 0.9)), batch=9, averaging=0.5))
    monkeypatch.setattr(train_bundled, "SECOND", Recipe((Phase(1, 32, 0.9),), batch=9, averaging=0.5, peak_rate=0.01))
    log = run(data, tmp_path / "both")
    assert [line in log for line in ("epoch 2/2 at 48 px", "epoch 1/1 at 32 px")] == [True, True]
    both = parameters(tmp_path / "both")
    log = run(data, tmp_path / "more", "--continue-from", tmp_path / "both" / "caffenet-mini.safetensors")
    assert "epoch 1/1 at 32 px" in log
    assert "epoch 2/2" not in log
    more = parameters(tmp_path / "more")
    assert not torch.equal(more["fc8.weight"], both["fc8.weight"])
    assert torch.allclose(more["conv1.conv.weight"], both["conv1.conv.weight"], atol=0.1)  # it went on and did not begin anew


def test_an_epoch_learns_the_pictures_it_sees(data: Path) -> None:
    pictures = train_bundled.read(sorted(data.glob("train-*.npz")))

    def losses() -> list[float]:
        recipe = Recipe((), batch=9, peak_rate=0.05, label_smoothing=0)
        training = train_bundled.Training(recipe, 10, CaffeNetMini(training_parts=True))
        return [training.epoch(pictures, Phase(5, 24, 1.0)) for _ in range(5)]

    course = seeded(losses)
    assert course[-1] < 0.8 * course[0]


def test_training_parts_can_be_put_back_without_changing_the_function(data: Path) -> None:
    pictures = train_bundled.read(sorted(data.glob("train-*.npz")))
    plain = seeded(CaffeNetMini).eval()
    x = train_bundled.normalise(pictures.pixels)
    again = seeded(lambda: train_bundled.unfold(plain, pictures))
    with torch.no_grad():
        expected = plain.logits(x)
        assert torch.allclose(again.eval().logits(x), expected, atol=1e-4)
        assert torch.allclose(seeded(again.folded).logits(x), expected, atol=1e-4)
    assert any(isinstance(module, nn.BatchNorm2d) for module in again.modules())


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
    model = dv.load("caffenet-mini")
    assert torch.allclose(train_bundled.normalise(pixels), model.preprocess(pixels.numpy()), atol=1e-5)
