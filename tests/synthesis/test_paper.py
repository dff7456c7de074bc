"""The paper's claims hold on real ImageNet weights: what is made for a class is that class to the network, and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import deepvis_widgets as dv
from deepvis_widgets.synthesis.measures import high_frequency_share
from tests.networks import seeded

if TYPE_CHECKING:
    from pathlib import Path

    from deepvis_widgets.models import VisionModel

CLASSES = (69, 151, 105, 315, 1, 130)  # trilobite, Chihuahua, koala, mantis, goldfish, flamingo
LOGITS = "output"


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> tuple[VisionModel, dv.Visualization]:
    """Class pictures of squeezenet1_0 with the smooth preset, in one batch."""
    shared: Path = request.getfixturevalue("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(shared / "torch_home"))
        model = seeded(lambda: dv.load("squeezenet1_0"))
    options: Any = dv.PRESETS["smooth"].options() | {"steps": 100}
    return model, dv.visualize(model, LOGITS, CLASSES, seeds=range(len(CLASSES)), **options)


def test_the_network_itself_takes_them_for_their_class(run: tuple[VisionModel, dv.Visualization]) -> None:
    model, made = run
    std = torch.tensor(model.std).view(1, -1, 1, 1) * 255
    first = [predictions[0].index for predictions in dv.Inspector(model).predict(made.x / std, k=1)]
    assert first == list(CLASSES)


def test_they_end_with_a_standard_deviation_of_one_or_two_grey_levels(run: tuple[VisionModel, dv.Visualization]) -> None:
    stds = run[1].history.stds
    assert stds[0].tolist() == pytest.approx([10] * len(CLASSES), abs=0.1)
    assert bool(((stds[-1] > 0.7) & (stds[-1] < 2.2)).all()), stds[-1]


def test_the_unit_becomes_the_layers_strongest_long_before_the_best_picture(run: tuple[VisionModel, dv.Visualization]) -> None:
    made = run[1]
    assert bool((made.majority_indices > 0).all())
    assert bool((made.majority_indices < made.indices).all())
    for b, (first, best) in enumerate(zip(made.majority_indices.tolist(), made.indices.tolist(), strict=True)):
        assert bool(made.history.strongest[first, b])
        assert not bool(made.history.strongest[:first, b].any())
        assert float(made.history.scores[best, b]) == float(made.history.scores[:, b].max()) == float(made.scores[b])
    assert {end.reason for end in made.ends} == {"steps done"}


def test_saved_loaded_and_run_again_they_have_the_same_bits(run: tuple[VisionModel, dv.Visualization], tmp_path: Path) -> None:
    model, _ = run
    made = dv.visualize(model, LOGITS, CLASSES[:2], steps=12, seeds=(3, 4))
    again = dv.visualize(model, LOGITS, CLASSES[:2], steps=12, seeds=(3, 4))
    assert torch.equal(made.x, again.x)
    assert torch.equal(made.history.scores, again.history.scores)
    loaded = dv.Visualization.load(made.save(tmp_path / "classes"))
    assert torch.equal(loaded.x, made.x)
    assert loaded.network == "squeezenet1_0"
    assert torch.equal(loaded.rerun(model).last, made.last)


def test_a_class_whose_score_is_behind_a_relu_that_is_off_has_a_picture_too(run: tuple[VisionModel, dv.Visualization]) -> None:
    model = run[0]
    options: Any = {"steps": 40, "precision": "float32"}
    before = dv.visualize(model, LOGITS, 130, **options)  # squeezenet's scores are means of what a ReLU lets through
    assert float(before.history.scores[0]) < 0
    assert bool(before.history.strongest[-1])
    assert not bool(before.history.redirected.any())
    after = dv.visualize(model, LOGITS, 130, pre_activation=False, **options)
    assert float(after.history.scores[0]) == 0
    assert after.history.redirected[:, 0].tolist() == [True] * 16 + [False] * 24
    assert float(after.scores) > 0.01
    stuck = dv.visualize(model, LOGITS, 130, pre_activation=False, redirect=False, **options)
    assert stuck.ends[0].reason == "zero gradient"
    assert "position='mean'" in stuck.ends[0].advice


def test_without_a_prior_it_is_far_noisier_than_a_photograph_and_blur_alone_brings_it_down(
    run: tuple[VisionModel, dv.Visualization], shared: Path
) -> None:
    model, _ = run
    photographs = high_frequency_share(model.preprocess(sorted((shared / "data" / "photos").glob("*.jpg"))[:24])).median()
    settings = [dv.Regularization(), dv.Regularization(blur_sigma=1, blur_every=4)]
    none, blurred = dv.sweep(model, LOGITS, CLASSES[0], settings, steps=80, step_size=dv.Progress(2.0, 1e4)).results
    assert none.high_frequency > 5 * float(photographs)
    assert blurred.high_frequency < none.high_frequency / 5
    assert none.activation > blurred.activation  # what noise is good for
    assert np.isfinite([none.robustness, blurred.robustness]).all()
    assert none.robustness < blurred.robustness


def test_too_strong_a_decay_fails_to_raise_the_score(run: tuple[VisionModel, dv.Visualization]) -> None:
    settings = [dv.Regularization(decay=decay) for decay in (1e-4, 0.9)]
    weak, strong = dv.sweep(run[0], LOGITS, CLASSES[0], settings, steps=40, step_size=100.0).results
    assert weak.strongest
    assert not strong.strongest
    assert strong.activation < weak.activation / 2


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_scores_are_the_networks_own_numbers(run: tuple[VisionModel, dv.Visualization], precision: Any) -> None:
    model, made = run
    std = torch.tensor(model.std).view(1, -1, 1, 1) * 255
    outputs = dv.Inspector(model).activations(made.x / std, LOGITS)
    step = next(
        dv.ascend(
            model, LOGITS, CLASSES, pre_activation=False, start=made.x, seeds=range(len(CLASSES)), steps=1, precision=precision
        )
    )
    expected = outputs[torch.arange(len(CLASSES)), list(CLASSES)]
    torch.testing.assert_close(step.scores, expected, rtol=1e-4 if precision == "float32" else 0.03, atol=1e-3)
