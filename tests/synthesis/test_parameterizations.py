"""Push and pull are transposes of each other, and what Fourier makes of noise has the spectrum and colours of photographs."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from deepvis_widgets.synthesis import Regularization, ascend
from deepvis_widgets.synthesis.colour_statistics import colour_root, covariance
from deepvis_widgets.synthesis.parameterizations import COLOUR_ROOT, Fourier, parameterization
from tests.networks import pictures, seeded, wrapped

SIDES = st.integers(1, 13)


def coefficients(x: torch.Tensor, seed: int = 5) -> torch.Tensor:
    """Random ones for a picture of this shape, not only those of a real picture."""
    shape = (*x.shape[:-1], x.shape[-1] // 2 + 1)
    return torch.complex(pictures(*shape, seed=seed), pictures(*shape, seed=seed + 1)).to(torch.complex128)


@given(height=SIDES, width=SIDES, channels=st.sampled_from([1, 3, 4]))
def test_pull_is_the_transpose_of_push_at_odd_and_even_sizes(height: int, width: int, channels: int) -> None:
    x = pictures(2, channels, height, width).double()
    change = coefficients(x)
    fourier = Fourier(width)
    pushed, pulled = fourier.push(change), fourier.pull(x)
    assert pushed.shape == x.shape
    assert pushed.is_floating_point()
    assert pulled.shape == change.shape
    by_coefficient = (pulled.real * change.real + pulled.imag * change.imag).sum()
    torch.testing.assert_close(by_coefficient, (pushed * x).sum(), rtol=1e-9, atol=1e-9)


def step(noise: torch.Tensor) -> torch.Tensor:
    """What a step along this gradient does to the picture."""
    fourier = Fourier(noise.shape[-1])
    return fourier.push(fourier.pull(noise))


@given(height=SIDES, width=SIDES, channels=st.sampled_from([1, 3]))
def test_a_step_along_white_noise_keeps_its_size(height: int, width: int, channels: int) -> None:
    values = channels * height * width
    basis = torch.eye(values, dtype=torch.float64).view(values, channels, height, width)
    torch.testing.assert_close(step(basis).square().sum() / values, torch.tensor(1.0).double(), rtol=1e-9, atol=1e-9)


def test_what_pull_leaves_over_is_what_push_can_reach() -> None:
    """Going along push(pull(g)) raises g · x by the squared norm of pull(g), which the step sizes rely on."""
    g, fourier = pictures(1, 3, 9, 12).double(), Fourier(12)
    direction = fourier.pull(g)
    torch.testing.assert_close((fourier.push(direction) * g).sum(), direction.abs().square().sum())


def test_the_spectrum_of_a_step_along_noise_falls_as_one_over_frequency() -> None:
    side, samples = 64, 40
    power = torch.fft.fft2(step(pictures(samples, 3, side, side).double())).abs().square().mean((0, 1))
    frequency = torch.fft.fftfreq(side).double()
    radius = (frequency[:, None].square() + frequency.square()).sqrt()
    inside = (radius > 0.02) & (radius < 0.5)
    logs = torch.stack([radius[inside].log(), torch.ones(int(inside.sum())).double()], 1)
    slope = torch.linalg.lstsq(logs, power[inside].log()[:, None] / 2).solution[0]
    assert float(slope) == pytest.approx(-1, abs=0.02)


def test_a_step_along_noise_has_the_colours_of_photographs() -> None:
    pixels = step(pictures(400, 3, 16, 16).double()).movedim(1, 0).flatten(1)
    root = torch.tensor(COLOUR_ROOT).double()
    wanted = root @ root.T
    scale = wanted.diagonal().sqrt()
    torch.testing.assert_close(torch.corrcoef(pixels), wanted / torch.outer(scale, scale), atol=0.02, rtol=0)


def test_colour_statistics_are_those_of_the_pictures() -> None:
    mix = torch.tensor([[0.2, 0.05, 0.0], [0.2, 0.0, 0.03], [0.2, -0.05, 0.01]])
    batches = [(0.5 + pictures(30, 16, 16, 3, seed=seed) @ mix.T).clamp(0, 1).mul(255).byte() for seed in (0, 1)]
    values = torch.cat(batches).flatten(0, 2).double() / 255
    found = covariance(iter(batches))
    torch.testing.assert_close(found, torch.cov(values.T, correction=0), rtol=1e-9, atol=1e-9)
    root = colour_root(found)
    torch.testing.assert_close(root @ root.T, found)
    torch.testing.assert_close(root.T @ root, (root.T @ root).diagonal().diag(), atol=1e-12, rtol=0)
    assert root.square().sum(0).tolist() == sorted(root.square().sum(0).tolist(), reverse=True)


def test_photographs_vary_in_lightness_first() -> None:
    lightness = torch.tensor(COLOUR_ROOT)[:, 0]
    assert float(lightness.min()) > 0.9 * float(lightness.max()) > 0


def test_an_unknown_name_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'pixels' or 'fourier', not 'wavelets'"):
        parameterization("wavelets", 4)


def test_with_fourier_the_score_rises_by_what_the_step_size_promises_and_every_prior_is_harmless() -> None:
    from deepvis_widgets.synthesis import Progress

    model = seeded(lambda: wrapped(nn.Sequential(nn.Flatten(), nn.Linear(3 * 11 * 16, 4)), (3, 11, 16)))
    options = {"start": "mean", "step_size": Progress(0.01, 1e9), "parameterization": "fourier", "precision": "float32"}
    scores = [float(s.scores[0]) for s in ascend(model, "1", 2, regularization=Regularization(), steps=5, **options)]
    assert [b - a for a, b in pairwise(scores)] == pytest.approx([0.01] * 4, rel=1e-3)
    every = Regularization(decay=0.1, blur_sigma=1, blur_every=2, norm_percentile=30, contribution_percentile=30, tv=0.1)
    *_, last = ascend(model, "1", 2, regularization=every, steps=6, **options)
    assert bool(last.x.isfinite().all())


def test_fourier_makes_larger_shapes_than_pixels() -> None:
    from deepvis_widgets.synthesis.measures import high_frequency_share

    model = seeded(lambda: wrapped(nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Conv2d(4, 4, 5)), (3, 24, 24)))
    options = {"start": "mean", "step_size": 1.0, "regularization": Regularization(), "steps": 3}
    shares = [
        float(high_frequency_share(list(ascend(model, "2", 1, parameterization=name, **options))[-1].x))
        for name in ("pixels", "fourier")
    ]
    assert shares[1] < 0.7 * shares[0]
