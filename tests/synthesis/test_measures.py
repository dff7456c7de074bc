"""Scores say what they promise: of pictures whose score is known, and of networks that respond as we tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from deepvis_widgets.synthesis.gradient import GradientOf
from deepvis_widgets.synthesis.measures import (
    NATURAL,
    high_frequency_share,
    radial_spectrum,
    robustness,
    selectivity,
    spectrum_distance,
    total_variation,
)
from deepvis_widgets.synthesis.objectives import Objective
from deepvis_widgets.synthesis.target import find_target
from tests.networks import Function, pictures, wrapped

if TYPE_CHECKING:
    from pathlib import Path


def power_law(exponent: float, size: int, seed: int = 0) -> Tensor:
    """Noise whose amplitude falls as frequency to the minus exponent; (4, 3, size, size)."""
    frequencies = torch.fft.fftfreq(size)
    radius = (frequencies[:, None].square() + frequencies.square()).sqrt().clamp(min=1 / size)
    return torch.fft.ifft2(torch.fft.fft2(pictures(4, 3, size, size, seed=seed)) / radius**exponent).real


def gradient_of(module: nn.Module, units: list[int], layer: str = "output") -> GradientOf:
    model = wrapped(module, (3, 24, 24))
    target = find_target(model, layer, (24, 24), pre_activation=True)
    return GradientOf(model, target, Objective.of(units, None, target.shape, layer), "float32")


@pytest.mark.parametrize("size", [64, 128, 227])
def test_the_spectrum_falls_as_the_power_law_that_the_picture_was_made_with(size: int) -> None:
    octaves = torch.arange(8) / 2 * np.log10(2)
    for exponent in (0.0, 1.0):
        expected = -2 * exponent * (octaves - octaves.mean())
        found = radial_spectrum(power_law(exponent, size)).mean(0)
        assert float((found - expected).abs().max()) < 0.25


def test_photographs_are_nearer_to_the_natural_spectrum_than_noise_at_every_size(shared: Path) -> None:
    photos = [Image.open(path).convert("RGB") for path in sorted((shared / "data" / "photos").glob("*.jpg"))[:12]]
    for size in (64, 227):
        resized = [np.asarray(photo.resize((size, size), Image.Resampling.BILINEAR), np.float32) for photo in photos]
        x = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2)
        noise = float(spectrum_distance(pictures(8, 3, size, size)).mean())
        assert float(spectrum_distance(x).median()) < 0.25
        assert noise == pytest.approx(np.abs(NATURAL).mean(), abs=0.1)


def test_spectrum_scores_do_not_depend_on_contrast_and_brightness_and_small_pictures_have_them() -> None:
    x = power_law(1.0, 64)
    for score in (spectrum_distance, high_frequency_share, total_variation):
        torch.testing.assert_close(score(5 * x + 30), score(x), atol=1e-3, rtol=1e-3)
        assert bool(score(power_law(1.0, 16)).isfinite().all())


def test_noise_has_more_high_frequency_than_a_ramp_and_a_known_variation() -> None:
    noise, ramp = pictures(1, 3, 64, 64), torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    assert float(high_frequency_share(noise)) == pytest.approx(1 - np.pi / 16, abs=0.03)  # all but a disc of radius 1/4
    assert float(high_frequency_share(ramp)) < 0.01  # its jump from right to left does not count
    assert float(total_variation(noise)) == pytest.approx(2 / np.sqrt(np.pi), abs=0.02)


def test_selectivity_is_the_lead_over_the_strongest_other_in_standard_deviations_of_the_others() -> None:
    responses = torch.tensor([[1.0, 4.0, 2.0, 9.0], [0.0, 3.0, 3.0, 1.0]])
    network = gradient_of(Function(lambda x: responses[: len(x)] + 0 * x.mean((1, 2, 3))[:, None]), [3, 1])
    first, second = selectivity(network, torch.zeros(2, 3, 24, 24)).tolist()
    assert first == pytest.approx((9 - 4) / np.std([1, 4, 2], ddof=1))
    assert second == 0  # as strong as another


def test_selectivity_reads_every_unit_at_our_place() -> None:
    maps = torch.zeros(1, 3, 4, 4)
    maps[0, :, 2, 2] = torch.tensor([5.0, 1.0, 2.0])  # the centre
    maps[0, 1, 0, 0] = 100.0
    network = gradient_of(Function(lambda x: maps + 0 * x.mean()), [0])
    assert float(selectivity(network, torch.zeros(1, 3, 24, 24))) == pytest.approx(3 / np.std([1, 2], ddof=1))


def test_scores_that_cannot_be_told_are_nan() -> None:
    two = gradient_of(Function(lambda x: torch.stack([x.mean((1, 2, 3))] * 2, 1)), [0])
    alike = gradient_of(Function(lambda x: torch.ones(len(x), 5) + 0 * x.mean()), [0])
    x = torch.zeros(1, 3, 24, 24)
    assert bool(selectivity(two, x).isnan())
    assert bool(selectivity(alike, x).isnan())
    assert bool(robustness(alike, x, torch.tensor([-1.0])).isnan())


def test_robustness_is_one_where_nothing_hangs_on_the_place_and_low_where_it_does() -> None:
    x = torch.zeros(1, 3, 24, 24)
    x[:, :, 11:13, 11:13] = 200.0  # a dot in the middle
    still = gradient_of(Function(lambda z: torch.stack([z.amax((1, 2, 3)).clamp(max=0.3)] * 3, 1)), [0])
    exact = gradient_of(Function(lambda z: torch.stack([z[:, :, 11:13, 11:13].mean((1, 2, 3))] * 3, 1)), [0])
    scores = [network.objective.scores(network.activation(x)) for network in (still, exact)]
    assert float(robustness(still, x, scores[0])) == pytest.approx(1, abs=1e-3)
    assert float(robustness(exact, x, scores[1])) < 0.8
