"""wrap() takes any network as it is, with sensible defaults, and refuses what cannot fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import deepvis_widgets as dv
from deepvis_widgets.models.vision_model import IMAGENET_MEAN, IMAGENET_STD


@pytest.mark.parametrize(
    ("size", "mean", "std"),
    [((3, 8, 9), IMAGENET_MEAN, IMAGENET_STD), ((1, 8, 9), (0.0,), (1.0,)), ((5, 8, 9), (0.0,) * 5, (1.0,) * 5)],
)
def test_colour_networks_get_imagenets_normalisation_and_others_none(
    size: tuple[int, ...], mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    model = dv.wrap(nn.Identity(), input_size=size)
    assert (model.input_size, model.mean, model.std, model.labels, model.name) == (size, mean, std, None, "Identity")


def test_everything_given_is_kept_and_the_network_is_the_users_own_object() -> None:
    module = nn.ReLU()
    model = dv.wrap(module, input_size=[1, 4, 4], mean=[0.5], std=[0.25], labels=["a", "b"], name="mine")
    assert model.module is module
    assert module.training
    assert (model.mean, model.std, model.labels, model.name) == ((0.5,), (0.25,), ("a", "b"), "mine")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"input_size": (64, 64)}, r"\(64, 64\)"),
        ({"input_size": (3, 0, 64)}, r"\(3, 0, 64\)"),
        ({"input_size": (3, 8, 8), "mean": (0.5,)}, r"3 values.*\(0\.5,\)"),
        ({"input_size": (1, 8, 8), "std": (0.0,)}, r"std above 0"),
    ],
)
def test_sizes_that_do_not_fit_together_are_named(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        dv.wrap(nn.Identity(), **options)


def test_what_is_no_network_is_named() -> None:
    with pytest.raises(TypeError, match="function"):
        dv.wrap(lambda x: x, input_size=(3, 8, 8))  # type: ignore[arg-type]


def test_a_compiled_network_is_looked_at_through_its_wrapper() -> None:
    module = nn.Sequential(nn.ReLU())
    assert dv.wrap(torch.compile(module), input_size=(3, 4, 4)).module is module


def test_device_and_dtype_are_those_of_the_parameters() -> None:
    with torch.device("meta"):
        model = dv.wrap(nn.Conv2d(1, 1, 1), input_size=(1, 2, 2))
    assert model.device == torch.device("meta")
    bare = dv.wrap(nn.ReLU(), input_size=(1, 2, 2))
    assert (bare.device, bare.dtype) == (torch.device("cpu"), torch.float32)
    assert bare.to("cpu") is bare
