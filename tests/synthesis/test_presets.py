"""The presets are the paper's at its own size, and at every other they still make a unit respond."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from deepvis_widgets.models import load
from deepvis_widgets.synthesis import PRESETS, Constant, Progress, Regularization, ascend, visualize
from tests.networks import seeded

if TYPE_CHECKING:
    from pathlib import Path

PAPER = ("sparse", "sharp", "smooth", "outline")


def rise(*args: Any, **options: Any) -> tuple[list[float], list[float]]:
    """The first and the best score of every sample."""
    result = visualize(*args, **options)
    return result.history.scores[0].tolist(), result.scores.tolist()


def test_at_the_papers_size_nothing_changes() -> None:
    assert all(preset.at((227, 227)) == preset for preset in PRESETS.values())


def test_todays_usual_size_takes_the_papers_numbers_as_they_are() -> None:
    assert all(preset.at((224, 224)) == preset for preset in PRESETS.values())
    assert PRESETS["smooth"].at((220, 220)) != PRESETS["smooth"]


def test_smaller_sizes_have_narrower_widths_weaker_decay_and_higher_rates() -> None:
    small = PRESETS["smooth"].at((64, 64))
    assert small.regularization == Regularization(decay=2.8e-5, blur_sigma=0.5, blur_every=4)
    assert small.step_size == Constant(1300.0)
    assert PRESETS["smooth"].at((128, 128)).regularization.blur_sigma == pytest.approx(0.56)
    assert PRESETS["sparse"].at((64, 64)).step_size == Progress(desired=2.0, max_lr=1300.0)
    assert PRESETS["sharp"].at((64, 64)).regularization == Regularization(decay=0.085, norm_percentile=20)


def test_a_prior_that_is_off_stays_off_and_one_that_is_on_stays_on() -> None:
    for preset in PRESETS.values():
        for side in (1, 16, 64, 224, 500):
            assert preset.at((side, side)).regularization.changed().keys() == preset.regularization.changed().keys()


def test_without_settings_a_run_has_the_smooth_preset_of_its_network() -> None:
    step = next(ascend(load("caffenet-mini"), "conv5", 3))
    smooth = PRESETS["smooth"].at((64, 64))
    assert step.settings.regularization == smooth.regularization
    assert step.settings.step_size == smooth.step_size


@pytest.mark.parametrize("name", PAPER)
@pytest.mark.parametrize(("layer", "units"), [("conv5", (3, 40, 90)), ("fc8", (3, 50, 100))])
def test_every_preset_makes_caffenet_minis_units_respond(name: str, layer: str, units: tuple[int, ...]) -> None:
    model = load("caffenet-mini")
    options = PRESETS[name].at(model.input_size[1:]).options() | {"steps": 60, "seeds": range(3)}
    start, best = rise(model, layer, units, **options)
    assert min(b - a for a, b in zip(start, best, strict=True)) > 1.0  # the scores begin between -2 and 1


def test_robust_makes_units_of_either_network_respond(torch_home: Path) -> None:
    mini, squeezenet = load("caffenet-mini"), seeded(lambda: load("squeezenet1_0"))
    for model, layer, unit, least in ((mini, "fc8", 3, 3.0), (squeezenet, "classifier.1", 69, 10.0)):
        options = PRESETS["robust"].at(model.input_size[1:]).options() | {"steps": 30}
        start, best = rise(model, layer, unit, position="mean" if layer != "fc8" else None, **options)
        assert best[0] > start[0] + least


@pytest.mark.parametrize("name", PAPER)
@pytest.mark.parametrize(("layer", "position"), [("features.9", None), ("classifier.1", "mean")])
def test_every_preset_makes_squeezenets_units_respond(name: str, layer: str, position: Any, torch_home: Path) -> None:
    model = seeded(lambda: load("squeezenet1_0"))
    options = PRESETS[name].at(model.input_size[1:]).options() | {"steps": 40, "position": position}
    start, best = rise(model, layer, 69, **options)
    assert best[0] > start[0] + 5
