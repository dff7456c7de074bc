"""load() gives a network that fits its weights and its input format, or says what would have worked."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torchvision import models as zoo

import deepvis_widgets as dv
from tests.networks import seeded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No network, and an empty cache."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path


def test_an_unknown_model_is_named_with_its_neighbours() -> None:
    with pytest.raises(ValueError, match=r"'rsnet18'.*resnet18.*list_models"):
        dv.load("rsnet18")


def test_unknown_weights_are_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"resnet18 has no weights 'IMAGENET22K'.*DEFAULT.*IMAGENET1K_V1"):
        dv.load("resnet18", weights="IMAGENET22K")
    with pytest.raises(ValueError, match=r"caffenet-mini.*'DEFAULT'.*None"):
        dv.load("caffenet-mini", weights=None)


def test_the_list_holds_the_bundled_network_first_and_every_torchvision_classifier() -> None:
    names = dv.list_models()
    assert names[0] == "caffenet-mini"
    assert set(zoo.list_models(module=zoo)) <= set(names)
    assert {"fcn_resnet50", "fasterrcnn_resnet50_fpn"} <= set(names)
    assert len(set(names)) == len(names)


FILES = [("resnet18", "resnet18-f37072fd.pth"), ("fcn_resnet50", "fcn_resnet50_coco-1167a1af.pth")]


@pytest.mark.parametrize(("name", "file"), FILES)
def test_without_a_network_the_error_tells_the_file_the_folder_and_the_way_out(name: str, file: str, offline: Path) -> None:
    with pytest.raises(dv.WeightsError) as error:
        dv.load(name)
    for part in (name, file, str(offline / "hub" / "checkpoints"), "load('caffenet-mini')"):
        assert part in str(error.value)


def test_a_spoilt_file_in_the_cache_is_told_like_a_missing_one(offline: Path) -> None:
    spoilt = offline / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    spoilt.parent.mkdir(parents=True)
    spoilt.write_bytes(b"half a download")
    with pytest.raises(dv.WeightsError, match=r"resnet18-f37072fd\.pth"):
        dv.load("resnet18")


def test_the_bundled_network_needs_no_network(offline: Path) -> None:
    assert dv.load("caffenet-mini").name == "caffenet-mini"


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5", "lraspp_mobilenet_v3_large"])
def test_random_weights_come_with_the_input_format_of_the_trained_ones(name: str) -> None:
    model = seeded(lambda: dv.load(name, weights=None))
    preset = zoo.get_model_weights(name).DEFAULT.transforms()
    assert model.mean == tuple(preset.mean)
    assert model.std == tuple(preset.std)
    assert model.labels is None
    assert not model.module.training


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("mobilenet_v3_small", "DEFAULT"),
        ("googlenet", "DEFAULT"),
        ("fcn_resnet50", "DEFAULT"),
        ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1"),
    ],
)
def test_a_network_has_the_shape_that_torchvision_gives_these_weights(
    name: str, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Auxiliary heads, picture sizes: the builder decides them by the weights, which we read without it."""
    entry = zoo.get_model_weights(name)[weights]
    asked: list[set[str]] = []

    def shapes(module: nn.Module) -> set[str]:
        return {f"{key} {tuple(value.shape)}" for key, value in module.state_dict().items()}

    def remember(module: nn.Module, state: Mapping[str, Any], **_: Any) -> None:
        asked.append(shapes(module))

    monkeypatch.setattr(type(entry), "get_state_dict", lambda *_, **__: {})
    monkeypatch.setattr(nn.Module, "load_state_dict", remember)
    with torch.device("meta"):
        model = dv.load(name, weights=weights)
        zoo.get_model(name, weights=entry, **({"weights_backbone": None} if name == "fcn_resnet50" else {}))
    assert model.labels == tuple(entry.meta["categories"])
    ours, theirs = asked
    assert ours == theirs


def test_squeezenet_loads_offline_from_the_cache(torch_home: Path, offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    model = seeded(lambda: dv.load("squeezenet1_0"))
    assert (model.input_size, len(model.labels or ())) == ((3, 224, 224), 1000)
