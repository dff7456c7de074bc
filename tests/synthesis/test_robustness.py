"""Each transform is the plain geometric one, draws from a generator of its own, and passes gradients back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from deepvis_widgets.synthesis.robustness import TRANSFORMS, Draw, jitter, pad, rotate, scale
from tests.networks import pictures

BY_NAME = {transform.name: transform for transform in TRANSFORMS}
BILINEAR = InterpolationMode.BILINEAR


def strength(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def test_jitter_rolls_by_whole_pixels_within_its_reach_and_uses_all_of_it() -> None:
    x = pictures(1, 3, 9, 12)
    seen = set()
    for index in range(200):
        shifted = jitter.function(x, Draw((3,), index), jitter=strength(2))[0].numpy()
        (shift,) = [
            (i, j) for i in range(-2, 3) for j in range(-2, 3) if np.array_equal(np.roll(x[0].numpy(), (i, j), (1, 2)), shifted)
        ]
        seen.add(shift)
    assert len(seen) == 25


@pytest.mark.parametrize("size", [(16, 16), (15, 20)])
def test_scale_is_torchvisions(size: tuple[int, int]) -> None:
    x, draw = pictures(2, 3, *size), Draw((1, 2), 7)
    ours = scale.function(x, draw, scale=strength(0.3, 0.3))
    for b, u in enumerate(draw.uniform(1, 2)[:, 0].tolist()):
        theirs = TF.affine(x[b], 0, [0, 0], 1 + 0.3 * u, [0.0, 0.0], BILINEAR)
        torch.testing.assert_close(ours[b], theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [(16, 16), (15, 20)])
def test_rotation_is_torchvisions(size: tuple[int, int]) -> None:
    x, draw = pictures(2, 3, *size), Draw((1, 2), 7)
    ours = rotate.function(x, draw, rotate=strength(40, 90))
    for b, u in enumerate(draw.uniform(1, 3)[:, 0].tolist()):
        angle = u * (40, 90)[b]
        theirs = [TF.rotate(x[b], sign * angle, BILINEAR) for sign in (-1, 1)]
        assert min(float((ours[b] - their).abs().max()) for their in theirs) < 1e-4
        assert not math.isclose(angle, 0)


@pytest.mark.parametrize("size", [(16, 16), (15, 20)])
def test_pad_is_a_margin_of_the_mean_colour_scaled_to_the_old_size(size: tuple[int, int]) -> None:
    x = pictures(1, 3, *size)
    ours = pad.function(x, Draw((0,), 0), pad=strength(3))
    margin = torch.nn.functional.pad(x, (3, 3, 3, 3))
    theirs = torch.nn.functional.interpolate(margin, size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert float(ours[..., 0, :].abs().max()) == 0


def run(name: str, x: torch.Tensor, draw: Draw, *values: float) -> torch.Tensor:
    return BY_NAME[name].function(x, draw, **{name: strength(*values)})


STRENGTHS: dict[str, float] = {"pad": 3, "jitter": 5, "scale": 0.4, "rotate": 60}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_sample_is_transformed_alike_in_any_batch_and_left_alone_where_it_is_off(name: str) -> None:
    x = pictures(3, 3, 16, 16)
    together = run(name, x, Draw((4, 5, 6), 11), STRENGTHS[name], 0, STRENGTHS[name])
    torch.testing.assert_close(together[1], x[1], atol=1e-5, rtol=0)
    alone = run(name, x[2:], Draw((6,), 11), STRENGTHS[name])
    assert torch.equal(together[2:], alone)
    assert not torch.equal(together[2], x[2])


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "pad"])
def test_seeds_and_steps_draw_anew_and_the_same_ones_the_same(name: str) -> None:
    x = pictures(1, 3, 16, 16)
    views = [run(name, x, Draw((seed,), index), STRENGTHS[name]) for seed, index in ((0, 0), (1, 0), (0, 1), (0, 0))]
    assert torch.equal(views[0], views[3])
    assert not torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])


def test_transforms_draw_independently_of_each_other() -> None:
    """Their numbers over many steps are uncorrelated, uniform in -1..1, and neighbouring seeds are not related."""
    draws = [Draw((0, 1), index) for index in range(2000)]
    columns = torch.cat([torch.stack([draw.uniform(1, purpose)[:, 0] for draw in draws]) for purpose in (1, 2, 3)], 1)
    related = torch.corrcoef(columns.T) - torch.eye(6)
    assert float(related.abs().max()) < 0.1
    assert float(columns.abs().max()) <= 1
    assert columns.mean(0).abs().max() < 0.06
    assert columns.var(0).tolist() == pytest.approx([1 / 3] * 6, abs=0.03)


@pytest.mark.parametrize("name", BY_NAME)
def test_gradients_pass_back_as_finite_differences_say(name: str) -> None:
    """The transforms are linear, so that one difference is exact up to rounding."""
    x, weight, change = pictures(1, 2, 8, 11).double(), pictures(1, 2, 8, 11, seed=1).double(), pictures(1, 2, 8, 11, seed=2)
    values: Any = {name: strength(STRENGTHS[name]).double()}

    def score(picture: torch.Tensor) -> torch.Tensor:
        return (BY_NAME[name].function(picture.float(), Draw((0,), 3), **{name: values[name].float()}) * weight).sum()

    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(score(leaf), leaf)
    step = score(x + change) - score(x)
    torch.testing.assert_close((gradient * change).sum().float(), step.float(), rtol=1e-3, atol=1e-3)
