"""Layers and units have names that can be read back, and are listed as a person would list them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision import models as zoo

import deepvis_widgets as dv
from tests.networks import Function, seeded, wrapped

NAMES = st.text(st.characters(categories=["L", "N"], include_characters="._[]':"), min_size=1).filter(lambda name: name.strip())
INDEX = st.integers(0, 10_000)


@given(NAMES, INDEX, st.none() | st.tuples(INDEX, INDEX))
def test_the_text_of_a_unit_reads_back_as_the_unit(layer: str, index: int, position: tuple[int, int] | None) -> None:
    unit = dv.Unit(layer, index, position)
    assert dv.Unit.parse(str(unit)) == unit


def test_the_text_form_is_the_documented_one() -> None:
    assert str(dv.Unit("conv5", 12)) == "conv5:12"
    assert str(dv.Unit("conv5", 12, (6, 7))) == "conv5:12@6,7"


NO_UNITS = ["", "conv5", "conv5:", ":3", "conv5:-1", "conv5:x", "conv5:1@", "conv5:1@2", "conv5:1@2,", "conv5:1.5"]


@pytest.mark.parametrize("text", NO_UNITS)
def test_what_is_no_unit_is_quoted_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no unit; write it as .*conv5:12@6,6") as error:
        dv.Unit.parse(text)
    assert repr(text) in str(error.value)


def main_names(module: nn.Module) -> list[str]:
    return [group[0].name for group in dv.Inspector(wrapped(module, (3, 64, 64))).outline]


def test_the_outline_of_caffenet_mini_is_the_papers() -> None:
    inspector = dv.Inspector(dv.load("caffenet-mini"))
    names = " ".join(group[0].name for group in inspector.outline)
    assert names == "conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool5 fc6 fc7 fc8 prob"
    assert [layer.name for layer in inspector.outline[0]] == ["conv1", "conv1.conv", "conv1.relu"]


def test_the_outline_of_resnet18_looks_into_its_stages_and_not_into_its_blocks() -> None:
    blocks = [f"layer{stage}.{block}" for stage in range(1, 5) for block in range(2)]
    names = main_names(seeded(lambda: zoo.resnet18(num_classes=5)))
    assert names == ["conv1", "bn1", "relu", "maxpool", *blocks, "avgpool", "fc"]


def test_the_outline_of_squeezenet_lists_what_its_sequentials_hold() -> None:
    module = seeded(lambda: zoo.squeezenet1_1(num_classes=5))
    expected = [*(f"features.{i}" for i in range(13)), *(f"classifier.{i}" for i in range(4))]
    assert main_names(module)[: len(expected)] == expected
    outline = dv.Inspector(wrapped(module, (3, 64, 64))).outline
    assert {layer.name for layer in outline[3]} >= {"features.3", "features.3.squeeze", "features.3.expand3x3_activation"}


def test_the_outline_holds_every_layer_once_except_plain_containers() -> None:
    inspector = dv.Inspector(wrapped(seeded(lambda: zoo.resnet18(num_classes=5)), (3, 64, 64)))
    listed = [layer.name for group in inspector.outline for layer in group]
    containers = {layer.name for layer in inspector.layers if layer.kind == "Sequential"}
    assert sorted(listed) == sorted({layer.name for layer in inspector.layers} - containers)


@pytest.mark.parametrize(
    ("function", "shape", "units"),
    [
        (lambda x: x[:, :2], (2, 8, 9), 2),
        (lambda x: x.mean((2, 3)), (3,), 3),
        (lambda x: x.flatten(2).transpose(1, 2), (72, 3), 3),
        (lambda x: x[:, :, None], (3, 1, 8, 9), 3),
    ],
)
def test_units_are_channels_neurons_or_the_width_of_tokens(function: object, shape: tuple[int, ...], units: int) -> None:
    (layer,) = dv.Inspector(wrapped(nn.Sequential(Function(function)), (3, 8, 9))).layers  # type: ignore[arg-type]
    assert (layer.shape, layer.units) == (shape, units)
