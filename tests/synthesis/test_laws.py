"""What holds for every picture: a prior at its neutral value changes nothing, and clipping twice is clipping once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from deepvis_widgets.synthesis.filters import gaussian_blur, percentile
from deepvis_widgets.synthesis.regularizers import PRIORS, Moment, blur, decay, small_contribution, small_norm, small_value
from deepvis_widgets.synthesis.settings import Regularization, bind
from tests.networks import pictures

CLIPS = {"small_value_percentile": small_value, "norm_percentile": small_norm, "contribution_percentile": small_contribution}
PIXELS = st.floats(-100, 100, width=32)
PICTURES = arrays.arrays(
    np.float32, st.tuples(st.just(1), st.integers(1, 4), st.integers(1, 7), st.integers(1, 7)), elements=PIXELS
).map(torch.from_numpy)
PERCENTS = st.one_of(st.sampled_from([0.0, 100.0]), st.floats(0, 100))


def clip(name: str, x: Tensor, percent: float, gradient: Tensor | None = None) -> Tensor:
    return CLIPS[name].function(x, Moment(0, x if gradient is None else gradient), **{name: torch.tensor([percent])})


@given(PICTURES, st.integers(0, 40))
def test_priors_that_are_off_leave_every_picture_as_it_is(x: Tensor, index: int) -> None:
    assert bind(PRIORS, [Regularization()], x.device) == ()
    zero = torch.zeros(1)
    for prior in PRIORS:
        neutral = prior.function(x, Moment(index, x), **{parameter.name: zero for parameter in prior.parameters})
        assert torch.equal(neutral, x), prior.name


@given(PICTURES, st.floats(0, 1, width=32))
def test_decay_is_one_factor_for_every_pixel(x: Tensor, strength: float) -> None:
    faded = decay.function(x, Moment(0, x), decay=torch.tensor([strength]))
    np.testing.assert_allclose(faded.numpy(), x.numpy() * np.float32(1 - np.float32(strength)), rtol=1e-6)


@given(PICTURES, st.floats(0.3, 5))
def test_blur_keeps_the_mean_of_every_channel_and_never_exceeds_the_extremes(x: Tensor, sigma: float) -> None:
    blurred = gaussian_blur(x, [sigma])
    np.testing.assert_allclose(blurred.mean((2, 3)).numpy(), x.mean((2, 3)).numpy(), atol=1e-3)
    assert float(blurred.max()) <= float(x.max()) + 1e-3
    assert float(blurred.min()) >= float(x.min()) - 1e-3


@given(st.integers(1, 20), st.integers(0, 200))
def test_blur_comes_at_step_0_and_then_once_in_so_many_steps(every: int, index: int) -> None:
    x = pictures(1, 1, 5, 5)
    after = blur.function(x, Moment(index, x), blur_sigma=torch.ones(1), blur_every=torch.tensor([float(every)]))
    assert torch.equal(after, x) == (index % every != 0)


@pytest.mark.parametrize("name", CLIPS)
@given(x=PICTURES, percent=PERCENTS)
def test_a_clip_only_ever_sets_to_the_mean_colour_and_does_nothing_once_enough_is_there(
    name: str, x: Tensor, percent: float
) -> None:
    once = clip(name, x, percent)
    assert bool(((once == x) | (once == 0)).all())
    zeros = float((once == 0).double().mean())
    if zeros * 100 >= percent and name != "contribution_percentile":
        assert torch.equal(clip(name, once, percent), once)  # the threshold is then 0, and nothing is less than 0


@pytest.mark.parametrize("name", CLIPS)
@given(x=PICTURES, data=st.data())
def test_a_stronger_clip_keeps_a_part_of_what_a_weaker_one_keeps(name: str, x: Tensor, data: st.DataObject) -> None:
    weak, strong = sorted(data.draw(st.tuples(PERCENTS, PERCENTS)))
    kept, fewer = (clip(name, x, percent) != 0 for percent in (weak, strong))
    assert bool((kept | ~fewer).all())


@settings(max_examples=60)
@given(PICTURES, st.floats(0, 100))
def test_clips_zero_what_lies_strictly_below_numpys_percentile(x: Tensor, percent: float) -> None:
    percent = float(np.float32(percent))
    gradient = x.flip(3)
    measures = {
        "norm_percentile": np.sqrt((x.numpy() ** 2).sum(1, keepdims=True)),
        "contribution_percentile": np.abs((x * gradient).sum(1, keepdim=True).numpy()),
    }
    for name, measure in measures.items():
        limit = np.percentile(measure.astype(np.float64), percent)
        if np.any((np.abs(measure - limit) <= 1e-5 * max(1, limit)) & (measure != limit)):
            continue  # too near to tell in single precision
        expected = np.where((measure < limit) & ~np.isclose(measure, limit, rtol=1e-6), 0, x.numpy())
        np.testing.assert_array_equal(clip(name, x, percent, gradient).numpy(), expected)


@pytest.mark.parametrize("name", CLIPS)
def test_ties_at_the_threshold_stay(name: str) -> None:
    x = torch.full((1, 1, 4, 4), 7.0)
    assert torch.equal(clip(name, x, 100.0), x)  # all alike: none is strictly below


def test_where_more_than_the_percentile_is_grey_already_nothing_else_goes() -> None:
    x = torch.zeros(1, 3, 4, 4)
    x[:, :, 0, 0] = 1e-6
    for name in CLIPS:
        assert torch.equal(clip(name, x, 50.0), x)


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 40)), elements=PIXELS), st.data())
def test_percentiles_of_any_rows_are_numpys(values: np.ndarray, data: st.DataObject) -> None:
    percents = np.float32(data.draw(st.lists(PERCENTS, min_size=len(values), max_size=len(values))))
    expected = [np.percentile(row.astype(np.float64), np.float64(p)) for row, p in zip(values, percents, strict=True)]
    found = percentile(torch.from_numpy(values), torch.from_numpy(percents))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-4)
