"""A sweep gives every setting its own picture, measures it, and can be ranked and exported."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from deepvis_widgets.models import load
from deepvis_widgets.synthesis import (
    PARAMETERS,
    PRESETS,
    Constant,
    Progress,
    Progress01,
    Regularization,
    Settings,
    Sweep,
    ladder,
    plane,
    random_settings,
    run_sweep,
    sweep,
    visualize,
)
from deepvis_widgets.synthesis.results import SCORES
from deepvis_widgets.synthesis.sweep import fitting_batch
from tests.networks import seeded, wrapped
from tests.synthesis.test_ascent import small_model

if TYPE_CHECKING:
    from pathlib import Path

    from deepvis_widgets.models import VisionModel

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


class Choosy(nn.Module):
    """A small network that raises for batches it does not like."""

    def __init__(self, refuses: Any, error: type[Exception]) -> None:
        super().__init__()
        self.refuses, self.error, self.batches = refuses, error, []
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(x))
        if self.refuses(x):
            raise self.error("too much")
        return self.conv(x).flatten(2).mean(2)


def choosy(refuses: Any, error: type[Exception] = RuntimeError) -> VisionModel:
    return wrapped(seeded(lambda: Choosy(refuses, error)), (3, 16, 16))


def faint(x: torch.Tensor) -> bool:
    """Whether a picture, the mean colour itself apart, hardly differs from the mean colour."""
    most = x.abs().amax((1, 2, 3))
    return bool(((most > 0) & (most < 2e-3)).any())


def few(count: int) -> list[Regularization]:
    return [Regularization(decay=0.01 * k) for k in range(count)]


def test_units_seeds_and_step_sizes_may_differ_from_picture_to_picture() -> None:
    model = seeded(small_model)
    options: Any = {"steps": 4, "precision": "float32"}
    settings = [Settings(Regularization(decay=0.1), 50.0), Regularization(), Settings(Regularization(), Progress(1.0, 1e3))]
    result = sweep(model, "3", (0, 1, 2), settings, seeds=(5, 6, 7), step_size=300.0, batch=2, **options)
    assert [(r.unit, r.seed) for r in result.results] == [(0, 5), (1, 6), (2, 7)]
    assert [r.step_size for r in result.results] == [Constant(50.0), Constant(300.0), Progress(1.0, 1e3)]
    assert result.varied == ("unit", "seed", "step_size", "decay")
    alone = visualize(model, "3", 1, seeds=6, regularization=Regularization(), step_size=300.0, **options)
    torch.testing.assert_close(result.results[1].x, alone.x[0], atol=1e-3, rtol=1e-3)
    assert len(sweep(model, "3", range(3), [Regularization()], steps=1)) == 3
    assert len(sweep(model, "3", 0, [])) == 0


def test_the_objective_is_the_same_for_all_whichever_share_a_batch() -> None:
    model = wrapped(seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.Softmax(1))), (3, 4, 4))
    settings = [Settings(Regularization(), policy) for policy in (Constant(1.0), Progress01(0.1, 0.5, 1e9))]
    apart, together = (sweep(model, "2", 1, settings, batch=batch, steps=1).results for batch in (1, 2))
    assert [r.activation for r in apart] == pytest.approx([r.activation for r in together])


def test_where_memory_does_not_hold_the_batch_half_of_it_runs_and_so_on() -> None:
    model = choosy(lambda x: len(x) > 3, torch.cuda.OutOfMemoryError)
    settings = few(10)
    result = sweep(model, "output", 1, settings, batch=8, steps=2)
    assert [r.regularization for r in result.results] == settings
    assert {r.end.reason for r in result.results} == {"steps done"}
    assert sum(batch > 3 for batch in model.module.batches) == 2  # 8 and 4; then it has learned


def test_a_setting_that_raises_has_a_result_that_says_so_and_the_others_are_what_they_would_be() -> None:
    model, sound = choosy(faint), choosy(lambda _: False)
    settings = [*few(4), Regularization(decay=0.999), *few(2)]
    options: Any = {"steps": 4, "step_size": 1e-9, "precision": "float32"}
    result = sweep(model, "output", 1, settings, **options).results
    assert [r.end.reason for r in result] == ["steps done"] * 4 + ["stopped"] + ["steps done"] * 2
    assert (result[4].end.index, result[4].end.advice) == (1, "RuntimeError: too much")
    assert math.isnan(result[4].activation)
    expected = sweep(sound, "output", 1, settings, **options).results
    assert [r.activation for r in result[:4]] == pytest.approx([r.activation for r in expected[:4]])
    assert Sweep(result).ranked("activation").results[-1] is result[4]


def test_a_setting_that_ends_in_numbers_that_are_not_finite_keeps_its_last_good_picture() -> None:
    blurred = Regularization(blur_sigma=1, blur_every=1)  # infinity times zero
    settings = [Settings(Regularization(), 1.0), Settings(blurred, 1e38), Settings(Regularization(decay=0.1), 1.0)]
    model = wrapped(seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 14 * 14, 3))), (3, 16, 16))
    with torch.no_grad():
        model.module[0].weight.mul_(1e6)
    result = sweep(model, "2", 1, settings, steps=5, precision="float32").results
    assert result[1].end.reason == "not finite"
    assert "step_size" in result[1].end.advice
    assert bool(result[1].x.isfinite().all())
    assert {result[0].end.reason, result[2].end.reason} == {"steps done"}


def test_results_come_as_they_are_done_and_stopping_is_not_asking_for_more() -> None:
    model = choosy(lambda _: False)
    run = run_sweep(model, "output", 1, few(9), batch=3, steps=2)
    assert next(run).regularization == Regularization()
    seen = len(model.module.batches)
    next(run), next(run)
    assert len(model.module.batches) == seen
    run.close()
    assert len(model.module.batches) == seen


def test_a_callback_sees_every_step_and_can_end_the_sweep_with_what_there_is() -> None:
    steps = []

    def on_step(step: Any) -> bool:
        steps.append(step.index)
        return len(steps) < 5

    result = sweep(choosy(lambda _: False), "output", 1, few(9), batch=3, steps=3, on_step=on_step)
    assert steps == [0, 1, 2, 0, 1]
    assert [r.end.reason for r in result.results] == ["steps done"] * 3 + ["stopped"] * 3

    def bad(_step: Any) -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        sweep(choosy(lambda _: False), "output", 1, few(2), on_step=bad)


def test_arguments_that_cannot_be_are_named_before_anything_runs() -> None:
    model: Any = choosy(lambda _: False)
    with pytest.raises(ValueError, match="batch must be at least 1, not 0"):
        run_sweep(model, "output", 1, few(2), batch=0)
    with pytest.raises(ValueError, match="from settings"):
        run_sweep(model, "output", 1, few(2), regularization=Regularization())
    with pytest.raises(ValueError, match="unit must be one value or one for each of the 3"):
        run_sweep(model, "output", (1, 2), few(3))
    with pytest.raises(ValueError, match="has units 0 to 3"):
        next(run_sweep(model, "output", 4, few(2)))
    assert all(batch == 1 for batch in model.module.batches)


def test_the_batch_that_fits_holds_no_more_pixels_than_nine_of_the_papers_pictures() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert [fitting_batch(cpu, (side, side)) for side in (227, 224, 1000)] == [9, 9, 1]
    assert fitting_batch(cpu, (64, 64)) == 27
    assert fitting_batch(cuda, (224, 224)) > fitting_batch(cpu, (224, 224))


@pytest.fixture(scope="module")
def done() -> Sweep:
    settings = plane(BY_NAME["decay"], BY_NAME["norm_percentile"], 3)
    return sweep(load("caffenet-mini"), "fc8", 2, settings, steps=12, step_size=Progress(2.0, 1e6), precision="float32")


def test_every_score_can_be_sorted_by_and_filtered(done: Sweep) -> None:
    for name in (*SCORES, "decay", "norm_percentile"):
        values = [r.value(name) for r in done.ranked(name, descending=False).results]
        told = [value for value in values if not math.isnan(value)]
        assert told == sorted(told)
        assert values[: len(told)] == pytest.approx(told)
        middle = sorted(told)[len(told) // 2]
        assert len(done.where(**{name: (middle, None)})) == sum(value >= middle for value in told)
    both = done.where(decay=(None, 0.5), activation=(0, None)).results
    assert both == tuple(r for r in done.results if r.regularization.decay <= 0.5 and r.activation >= 0)
    for call in (done.ranked, lambda name: done.where(**{name: (0, 1)})):
        with pytest.raises(ValueError, match=r"'beauty' is not one of unit, seed, .*activation"):
            call("beauty")


def test_the_table_has_every_setting_and_every_score(done: Sweep, tmp_path: Path) -> None:
    done.save_csv(tmp_path / "sweep.csv")
    with (tmp_path / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(done) == 9
    assert {"unit", "seed", "step_size", "end", *BY_NAME, *SCORES} == set(rows[0])
    assert [float(row["activation"]) for row in rows] == pytest.approx([r.activation for r in done.results])
    assert rows[0]["end"] == "steps done at step 11"


def test_the_contact_sheet_has_every_picture_with_its_values(done: Sweep, tmp_path: Path) -> None:
    done.ranked("robustness").save_sheet(tmp_path / "sweep.png", score="robustness", columns=3)
    page = np.asarray(Image.open(tmp_path / "sweep.png"))
    width = (page.shape[1] + 8) // 3 - 8
    assert width == 192  # 64 pixels enlarged three times
    assert page.shape[0] > 3 * width  # captions have room
    np.testing.assert_array_equal(page[:width:3, :width:3], done.ranked("robustness").images[0])
    with pytest.raises(ValueError, match="no result"):
        Sweep(()).save_sheet(tmp_path / "none.png")


def test_a_ladder_starts_with_off_and_its_prior_is_on_from_then_on() -> None:
    sigmas = ladder(BY_NAME["blur_sigma"], 5)
    assert [s.blur_sigma for s in sigmas] == pytest.approx([0, *BY_NAME["blur_sigma"].ladder(4)])
    assert {s.blur_every for s in sigmas} == {4}
    assert [s.blur_every for s in ladder(BY_NAME["blur_sigma"], 3, Regularization(blur_sigma=1, blur_every=7))] == [7] * 3


def test_random_search_is_seeded_and_within_the_declared_ranges() -> None:
    drawn = random_settings(60, seed=3)
    assert drawn == random_settings(60, seed=3)
    assert drawn != random_settings(60, seed=4)
    values = [s.decay for s in drawn]
    assert 0 in values
    assert all(value == 0 or BY_NAME["decay"].low <= value <= 1 for value in values)
    assert random_settings(5, seed=3) == drawn[:5]
    for parameter in PARAMETERS:  # the robustness transforms as well as the priors
        share = np.mean([getattr(s, parameter.name) > 0 for s in drawn])
        assert 0.25 < share < 0.75
    base = Regularization(jitter=8, decay=0.5)
    some = random_settings(20, parameters=[BY_NAME["decay"]], base=base)
    assert {s.jitter for s in some} == {8}
    assert len({s.decay for s in some}) > 5
    assert len(plane(BY_NAME["decay"], BY_NAME["norm_percentile"], 3)) == 9


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
    assert [preset.steps for preset in PRESETS.values()][:4] == [500, 750, 1000, 1000]
