"""Pictures are shown around mid-grey, symmetrically, by one rule for all samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deepvis_widgets.synthesis.display import captioned, render, render_unscaled, sheet
from tests.networks import pictures


def test_the_mean_colour_is_mid_grey_and_signs_are_symmetric() -> None:
    x = pictures(2, 3, 8, 9)
    x[0, :, 0, 0] = 0
    above, below = render(x).astype(int), render(-x).astype(int)
    assert above.shape == (2, 8, 9, 3)
    assert set(above[0, 0, 0].tolist()) <= {127, 128}
    assert np.abs(above + below - 255).max() <= 1


def test_contrast_follows_the_standard_deviation_whatever_the_scale() -> None:
    x = pictures(1, 3, 32, 32)
    np.testing.assert_array_equal(render(x), render(x * 100))
    three_sigma = torch.zeros(1, 1, 1, 100)
    three_sigma[..., :50], three_sigma[..., 50:] = 1.0, -1.0  # standard deviation 1
    assert render(three_sigma)[0, 0, 0, 0] == round(127.5 + 127.5 / 3)
    assert render(three_sigma, contrast=2)[0, 0, 0, 0] == round(127.5 + 2 * 127.5 / 3)


def test_a_fainter_sample_looks_fainter_unless_each_has_its_own_scale() -> None:
    x = pictures(1, 3, 16, 16).repeat(2, 1, 1, 1) * torch.tensor([1.0, 0.2])[:, None, None, None]
    shared, own = render(x), render(x, shared=False)
    assert shared[1].std() < shared[0].std() / 3
    np.testing.assert_array_equal(own[0], own[1])


def test_unscaled_is_the_picture_in_its_own_colours() -> None:
    x = torch.full((1, 3, 2, 2), 10.0)
    np.testing.assert_array_equal(render_unscaled(x, (0.0, 0.5, 1.0))[0, 0, 0], [10, 138, 255])


def test_what_is_not_a_number_is_mid_grey_and_a_bad_contrast_is_named() -> None:
    x = pictures(1, 3, 4, 4)
    x[0, 0, 0, 0] = torch.nan
    assert render(x).shape == (1, 4, 4, 3)
    for contrast in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="contrast must be a finite number above 0"):
            render(x, contrast=contrast)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_sheet_holds_every_picture_in_reading_order(channels: int) -> None:
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 3, 4, channels), np.uint8)
    page = sheet(images, columns=2, gap=1)
    assert page.shape == (3 * 4 - 1, 2 * 5 - 1, 3)
    assert [int(page[4 * (n // 2), 5 * (n % 2), 0]) for n in range(5)] == [0, 1, 2, 3, 4]
    assert int(page[3, 0, 0]) == 255  # the gap


def test_captions_stand_below_the_picture_which_stays_as_it_is() -> None:
    images = render(pictures(2, 3, 64, 64))
    cards = captioned(images, [["activation 3"], ["activation 4", "decay off"]])
    zoom = cards.shape[2] // 64
    np.testing.assert_array_equal(cards[:, : 64 * zoom : zoom, : 64 * zoom : zoom], images)
    below = cards[:, 64 * zoom :]
    assert (below[0] < 128).any()
    assert (below[1] < 128).sum() > (below[0] < 128).sum()
