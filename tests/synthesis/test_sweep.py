"""A sweep gives every setting its own picture, measures it, and can be ranked and exported."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
import torch

from deepvis_widgets.models import load
from deepvis_widgets.synthesis import (
    PARAMETERS,
    PRESETS,
    Progress,
    Regularization,
    ladder,
    plane,
    random_settings,
    sweep,
    visualize,
)
from deepvis_widgets.synthesis.measures import high_frequency_share
from tests.synthesis.test_ascent import small_model

if TYPE_CHECKING:
    from pathlib import Path

BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


def test_every_setting_gets_the_picture_that_it_gets_alone(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        model = small_model()
    settings = ladder(BY_NAME["decay"], 4, Regularization(blur_sigma=0.5, blur_every=2))
    result = sweep(model, "3", 2, settings, batch=3, steps=6, step_size=300.0, precision="float32")
    assert [r.regularization for r in result.results] == list(settings)
    alone = visualize(model, "3", 2, regularization=settings[2], steps=6, step_size=300.0, precision="float32")
    torch.testing.assert_close(result.results[2].x, alone.x[0], atol=1e-3, rtol=1e-3)
    ranked = result.ranked("activation").results
    assert [r.activation for r in ranked] == sorted((r.activation for r in ranked), reverse=True)
    result.save_csv(tmp_path / "sweep.csv")
    result.save_sheet(tmp_path / "sweep.png")
    with (tmp_path / "sweep.csv").open() as file:
        assert [float(row["decay"]) for row in csv.DictReader(file)] == pytest.approx([s.decay for s in settings])


def test_random_search_is_seeded_and_within_the_declared_ranges() -> None:
    drawn = random_settings(60, seed=3)
    assert drawn == random_settings(60, seed=3)
    assert drawn != random_settings(60, seed=4)
    values = [s.decay for s in drawn]
    assert 0 in values
    assert all(value == 0 or BY_NAME["decay"].low <= value <= 1 for value in values)
    assert len(plane(BY_NAME["decay"], BY_NAME["norm_percentile"], 3)) == 9


def test_noise_has_more_high_frequency_than_a_ramp() -> None:
    noise = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    assert float(high_frequency_share(noise)) > 0.7
    assert float(high_frequency_share(ramp)) < 0.3


def test_without_a_prior_pictures_are_noise_and_blur_alone_takes_it_out() -> None:
    none, blurred = Regularization(), Regularization(blur_sigma=0.5, blur_every=2)
    result = sweep(
        load("caffenet-mini"), "fc8", 2, [none, blurred], steps=60, step_size=Progress(2.0, 1e6), precision="float32"
    )
    assert result.results[1].high_frequency < result.results[0].high_frequency / 2


def test_too_strong_a_decay_fails_to_raise_the_score() -> None:
    settings = [Regularization(), Regularization(decay=0.9)]
    result = sweep(load("caffenet-mini"), "fc8", 2, settings, steps=30, step_size=100.0)
    assert result.results[1].activation < result.results[0].activation


def test_the_presets_are_the_papers() -> None:
    smooth, outline = PRESETS["smooth"], PRESETS["outline"]
    assert smooth.regularization == Regularization(decay=1e-4, blur_sigma=1, blur_every=4)
    assert outline.regularization == Regularization(blur_sigma=0.5, blur_every=4, contribution_percentile=90)
    assert PRESETS["sharp"].regularization == Regularization(decay=0.3, norm_percentile=20)
    assert PRESETS["sparse"].regularization == Regularization(blur_sigma=0.5, blur_every=4, norm_percentile=50)
    assert [preset.steps for preset in PRESETS.values()] == [500, 750, 1000, 1000]
