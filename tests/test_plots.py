"""Figures show the numbers they are made of, without pyplot's global state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

import deepvis_widgets as dv
from deepvis_widgets import plots

if TYPE_CHECKING:
    from pathlib import Path

BY_NAME = {parameter.name: parameter for parameter in dv.PARAMETERS}


def swept(settings: tuple[dv.Regularization, ...]) -> dv.Sweep:
    return dv.sweep(dv.load("caffenet-mini"), "fc8", 2, settings, steps=3, step_size=dv.Progress(2.0, 1e6))


@pytest.fixture(scope="module")
def ladder() -> dv.Sweep:
    return swept(dv.ladder(BY_NAME["decay"], 5))


def test_the_curve_goes_through_every_result_on_a_logarithmic_axis_with_off_at_its_left(
    ladder: dv.Sweep, tmp_path: Path
) -> None:
    figure = plots.score_against_strength(ladder, "decay", "robustness")
    (axes,) = figure.axes
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_ydata(), [r.robustness for r in ladder.results])
    places = np.asarray(line.get_xdata(), float)
    np.testing.assert_allclose(places[1:], [r.regularization.decay for r in ladder.results[1:]])
    np.testing.assert_allclose(np.diff(np.log(places)), np.log(places[2] / places[1]))
    assert axes.get_xscale() == "log"
    assert axes.get_xticklabels()[0].get_text() == "off"
    assert len(axes.child_axes) == 5  # a picture over each value
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_the_order_of_the_results_does_not_matter(ladder: dv.Sweep) -> None:
    lines = [plots.score_against_strength(s, BY_NAME["decay"]).axes[0].lines[0] for s in (ladder, ladder.ranked())]
    np.testing.assert_array_equal(*(line.get_xydata() for line in lines))


def test_a_plane_has_a_named_line_for_each_value_of_the_other_prior() -> None:
    sweep = swept(dv.plane(BY_NAME["decay"], BY_NAME["norm_percentile"], 3))
    (axes,) = plots.score_against_strength(sweep, "decay").axes
    assert sorted(line.get_label() for line in axes.lines) == [
        "norm percentile 1",
        "norm percentile 100",
        "norm percentile 50.5",
    ]
    assert not axes.child_axes


def test_a_random_search_is_points() -> None:
    sweep = swept(dv.random_settings(16))
    (axes,) = plots.score_against_strength(sweep, "norm_percentile").axes
    assert len([line for line in axes.lines if line.get_marker() == "o"]) == 16
    assert axes.get_legend() is None


def test_what_cannot_be_drawn_is_named(ladder: dv.Sweep) -> None:
    with pytest.raises(ValueError, match="'beauty' is not one of"):
        plots.score_against_strength(ladder, "decay", "beauty")
    with pytest.raises(ValueError, match="'sharpness' is not one of decay"):
        plots.score_against_strength(ladder, "sharpness")
    with pytest.raises(ValueError, match="no result"):
        plots.score_against_strength(dv.Sweep(()), "decay")


def test_history_has_every_samples_scores_best_picture_and_changes_of_settings() -> None:
    settings = [dv.Settings(dv.Regularization(decay=0.1 * (k > 2)), 100.0) for k in range(6)]
    run = dv.visualize(
        dv.load("caffenet-mini"), "fc8", 2, seeds=(0, 1), steps=6, regularization=dv.Regularization(), step_size=100.0,
        steer=iter(settings).__next__,
    )  # fmt: skip
    before = plt.get_fignums()
    figure = plots.history(run)
    assert plt.get_fignums() == before
    assert isinstance(figure, Figure)
    above, below = figure.axes
    curves = [line for line in above.lines if len(line.get_xdata()) == 6]
    np.testing.assert_allclose([curve.get_ydata() for curve in curves], run.history.scores.T)
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in above.lines if line.get_marker() == "o"]
    assert dots == list(zip(run.indices.tolist(), run.scores.tolist(), strict=True))
    changed = [line.get_xdata()[0] for line in below.lines if line.get_linestyle() == ":"]
    assert changed == [index for index, _ in run.recipe.changes[1:]] == [4]
