"""A checkpoint's weights are those that the network then has, and a checkpoint never runs code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models as zoo

import deepvis_widgets as dv
from tests.networks import seeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

State = dict[str, "Tensor"]
NAME = "shufflenet_v2_x0_5"  # its head is neither the last by the alphabet nor large


def state(classes: int = 1000) -> State:
    return seeded(lambda: zoo.get_model(NAME, num_classes=classes)).state_dict()


def load(path: Path | str) -> dv.VisionModel:
    return seeded(lambda: dv.load(NAME, weights=path), seed=1)


WRITE: dict[str, Callable[[State, Path], None]] = {
    "plain.pth": torch.save,
    "plain.safetensors": lambda weights, path: save_file({key: value.contiguous() for key, value in weights.items()}, path),
    "wrapped.pt": lambda weights, path: torch.save({"epoch": 3, "state_dict": weights}, path),
    "wrapped.ckpt": lambda weights, path: torch.save({"model": weights, "optimizer": {}}, path),
}


@pytest.mark.parametrize("classes", [1000, 5], ids=["trained", "fine-tuned"])
@pytest.mark.parametrize("file", WRITE)
def test_every_kind_of_checkpoint_gives_its_weights_to_the_network(file: str, classes: int, tmp_path: Path) -> None:
    weights = state(classes)
    WRITE[file](weights, tmp_path / file)
    model = load(str(tmp_path / file))
    loaded = model.module.state_dict()
    assert list(loaded) == list(weights)
    assert all(torch.equal(loaded[key], value) for key, value in weights.items())
    assert not model.module.training
    assert (model.labels is None) == (classes == 5)


class _Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    mark, file = tmp_path / "was run", tmp_path / "bomb.pth"
    torch.save({"state_dict": _Bomb(mark)}, file)
    with pytest.raises(dv.WeightsError, match=r"bomb\.pth"):
        load(file)
    assert not mark.exists()
    torch.load(file, weights_only=False)  # the bomb is a real one
    assert mark.exists()


@pytest.mark.parametrize(
    ("file", "write"),
    [
        ("missing.pth", lambda path: None),
        ("empty.pth", lambda path: path.touch()),
        ("text.safetensors", lambda path: path.write_text("no tensors")),
        ("tensor.pth", lambda path: torch.save(torch.zeros(3), path)),
        ("nothing.pth", lambda path: torch.save({}, path)),
        ("other.pth", lambda path: torch.save({"a.weight": torch.zeros(3), "fc.bias": torch.zeros(4)}, path)),
    ],
)
def test_what_is_no_checkpoint_of_this_network_is_told_with_the_files_name(
    file: str, write: Callable[[Path], None], tmp_path: Path
) -> None:
    write(tmp_path / file)
    with pytest.raises(dv.WeightsError, match=file):
        load(tmp_path / file)
