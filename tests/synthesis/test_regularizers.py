"""Total variation and L1 do what their formulas say, against brute force and finite differences in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepvis_widgets.synthesis.regularizers import EDGE, Moment, sparsity, total_variation
from tests.networks import pictures

NOW = Moment(0, torch.zeros(()))


def variation(x: np.ndarray) -> float:
    """Written out: the sum over all places of the length of the difference to the right and down, 0 at the border."""
    total = 0.0
    channels, height, width = x.shape
    for c, i, j in itertools.product(range(channels), range(height), range(width)):
        right = x[c, i, j + 1] - x[c, i, j] if j + 1 < width else 0.0
        down = x[c, i + 1, j] - x[c, i, j] if i + 1 < height else 0.0
        total += (right**2 + down**2 + EDGE**2) ** 0.5
    return total


def downhill(x: np.ndarray) -> np.ndarray:
    """Minus the gradient of `variation`, by central differences."""
    slope, h = np.zeros_like(x), 1e-6
    for place in np.ndindex(*x.shape):
        there = np.zeros_like(x)
        there[place] = h
        slope[place] = (variation(x - there) - variation(x + there)) / (2 * h)
    return slope


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 4, 4), (2, 1, 6), (2, 6, 1)])
def test_total_variation_goes_down_its_own_gradient(shape: tuple[int, int, int]) -> None:
    x = pictures(2, *shape).double()
    strengths = torch.tensor([0.3, 0.0], dtype=torch.float64)
    moved = total_variation.function(x, NOW, tv=strengths) - x
    np.testing.assert_allclose(moved[0].numpy(), 0.3 * downhill(x[0].numpy()), atol=1e-6)
    assert not moved[1].any()


def test_total_variation_flattens_noise_and_keeps_an_edge() -> None:
    edge = torch.zeros(1, 1, 16, 16)
    edge[..., 8:] = 40
    x = edge + pictures(1, 1, 16, 16)
    for _ in range(100):
        x = total_variation.function(x, NOW, tv=torch.tensor([0.02]))
    assert float((x - edge)[..., :7].std()) < 0.6
    assert float((x[..., 8] - x[..., 7]).mean()) > 35


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=30), st.floats(0, 10))
def test_l1_is_the_proximal_step(values: list[float], strength: float) -> None:
    """No other value is better by half the squared distance plus the strength times the size."""
    x = torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)
    ours = sparsity.function(x, NOW, l1=torch.tensor([strength], dtype=torch.float64))

    def cost(z: torch.Tensor) -> torch.Tensor:
        return (z - x).square() / 2 + strength * z.abs()

    for other in (ours - 1e-3, ours + 1e-3, torch.zeros_like(x), x):
        assert bool((cost(ours) <= cost(other) + 1e-9).all())
    assert bool((ours * x >= 0).all())


def test_each_sample_has_its_own_l1() -> None:
    x = torch.tensor([-3.0, -0.5, 0.5, 3.0]).view(1, 1, 1, 4).expand(2, 1, 1, 4)
    moved = sparsity.function(x, NOW, l1=torch.tensor([1.0, 0.0]))
    assert moved[0].flatten().tolist() == [-2, 0, 0, 2]
    assert torch.equal(moved[1], x[1])
