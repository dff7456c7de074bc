"""The bundled network is the paper's in small, is small on disk, and knows its classes."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load as load_safetensors
from torch import nn

import deepvis_widgets as dv
from deepvis_widgets.models import train_bundled
from deepvis_widgets.models.bundled import CaffeNetMini
from tests.networks import pictures, seeded

if TYPE_CHECKING:
    from pathlib import Path

PAPERS_LAYERS = "conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool5 fc6 fc7 fc8 prob"
WEIGHTS = resources.files("deepvis_widgets.models") / "data" / "caffenet-mini.safetensors"


@pytest.fixture(scope="module")
def model() -> dv.VisionModel:
    return dv.load("caffenet-mini")


def test_its_layers_have_the_papers_names_and_caffes_meaning(model: dv.VisionModel) -> None:
    layers = {layer.name: layer for layer in dv.Inspector(model).layers}
    assert [name for name in layers if "." not in name] == PAPERS_LAYERS.split()
    assert layers["conv5"].shape == (192, 8, 8)
    assert layers["fc8"].shape == layers["prob"].shape == (200,)
    shown = dv.Inspector(model).activations(pictures(2, 3, 64, 64), PAPERS_LAYERS.split())
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"):
        assert shown[name].min() == 0  # after the ReLU, as Caffe shows its layers
    assert shown["fc8"].min() < 0
    assert torch.allclose(shown["prob"].sum(1), torch.ones(2))


@pytest.mark.parametrize(("side", "maps"), [(64, 8), (96, 12), (128, 16)])
def test_larger_pictures_give_finer_maps(model: dv.VisionModel, side: int, maps: int) -> None:
    activations = dv.Inspector(model).activations(pictures(1, 3, side, side), ["conv5", "prob"])
    assert activations["conv5"].shape == (1, 192, maps, maps)
    assert activations["prob"].shape == (1, 200)


def test_it_ships_as_half_precision_in_at_most_8_megabytes_with_a_label_for_each_output(model: dv.VisionModel) -> None:
    data = WEIGHTS.read_bytes()
    assert len(data) <= 8_000_000
    assert {value.dtype for value in load_safetensors(data).values()} == {torch.float16}
    assert model.input_size == (3, 64, 64)
    assert len(set(model.labels or ())) == 200
    assert not model.module.training
    assert all(parameter.dtype == torch.float32 and parameter.requires_grad for parameter in model.module.parameters())


def test_loading_leaves_the_random_state_alone_and_gives_an_object_of_its_own(model: dv.VisionModel) -> None:
    before = torch.get_rng_state()
    other = dv.load("caffenet-mini")
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        next(other.module.parameters()).zero_()
    assert next(model.module.parameters()).abs().max() > 0


def test_folding_the_batch_norm_away_leaves_the_function_as_it_was() -> None:
    def trained() -> CaffeNetMini:
        network = CaffeNetMini(training_parts=True)
        for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)):
            for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
        return network.eval()

    network = seeded(trained)
    with torch.no_grad():
        expected, folded = (each.logits(pictures(4, 3, 64, 64)) for each in (network, seeded(network.folded)))
    assert expected.std() > 1e-3
    assert torch.allclose(folded, expected, rtol=1e-3, atol=1e-4)


def test_half_of_the_whole_validation_set_is_named_right(model: dv.VisionModel, shared: Path) -> None:
    held_out = train_bundled.read([shared / "data" / "tiny-imagenet" / "val.npz"])
    assert len(held_out) == 10_000
    assert train_bundled.accuracy(model, held_out) >= 0.50
