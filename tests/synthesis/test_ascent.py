"""The iteration is the toolbox's, a sample does not depend on its batch, and the user's network stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from deepvis_widgets.models import VisionModel, wrap
from deepvis_widgets.synthesis import Constant, Progress, Progress01, Regularization, Settings, ascend
from deepvis_widgets.synthesis.filters import gaussian_blur, percentile
from deepvis_widgets.synthesis.starts import start_pictures
from deepvis_widgets.synthesis.visualization import Visualization, visualize

ALL = Regularization(
    decay=0.01, blur_sigma=0.8, blur_every=3, small_value_percentile=10, norm_percentile=20, contribution_percentile=15
)


def linear_model(size: tuple[int, int, int] = (3, 12, 17)) -> VisionModel:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(size)), 4))
    return wrap(module, input_size=size, mean=(0.4,) * size[0], std=(0.25,) * size[0])


def small_model(channels: int = 3, side: int = 16, *, inplace: bool = True) -> VisionModel:
    torch.manual_seed(1)
    module = nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(inplace), nn.MaxPool2d(2), nn.Conv2d(8, 6, 3, padding=1), nn.ReLU(inplace)
    )
    return wrap(module, input_size=(channels, side, side))


@pytest.fixture(autouse=True)
def _seed_kept() -> Any:
    with torch.random.fork_rng():
        yield


def test_the_start_is_the_toolboxs_own() -> None:
    x = start_pictures("mean_plus_noise", [0], linear_model(), (227, 227))[0].double()
    assert x.flatten()[:2].numpy() == pytest.approx([17.6405, 4.0016], abs=1e-4)
    assert float(x.norm()) == pytest.approx(3921.5236, abs=1e-3)
    assert float(x.std(unbiased=False)) == pytest.approx(9.97385, abs=1e-5)
    blurred = gaussian_blur((x * (1 - 1e-4)).float()[None], [1.0])
    assert float(blurred.norm()) == pytest.approx(1118.408, abs=1e-2)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5, 9.0])
def test_blur_is_scipys(sigma: float) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 11, 19)).astype(np.float32)
    ours = gaussian_blur(torch.from_numpy(x), [sigma, 0.7])[0].numpy()
    theirs = np.stack([gaussian_filter(channel.astype(np.float64), sigma) for channel in x[0]])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("percent", [0, 0.4, 33.3, 50, 99, 100])
def test_percentiles_are_numpys(percent: float) -> None:
    values = np.random.default_rng(0).integers(0, 20, (3, 101)).astype(np.float32)
    ours = percentile(torch.from_numpy(values), torch.tensor([percent, 50.0, 10.0]))
    expected = [np.percentile(row, p) for row, p in zip(values, np.float32([percent, 50, 10]), strict=True)]
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-5)


def toolbox(model: VisionModel, unit: int, r: Regularization, lr: float, steps: int) -> list[tuple[float, np.ndarray]]:
    """The iteration in numpy float64, written from the toolbox's description alone."""
    weight = model.module[1].weight.detach().double().numpy()[unit].reshape(model.input_size)
    bias = float(model.module[1].bias.detach()[unit])
    mean, std = np.reshape(model.mean, (-1, 1, 1)), np.reshape(model.std, (-1, 1, 1))
    x = np.random.RandomState(0).normal(0, 10, model.input_size)
    rows = []
    for i in range(steps):
        x = np.clip(x + 255 * mean, 0, 255) - 255 * mean
        rows.append((float((weight * x / (255 * std)).sum() + bias), x))
        g = weight / (255 * std)
        x = (x + lr * g) * (1 - r.decay)
        if r.blur_every and i % r.blur_every == 0:
            x = np.stack([gaussian_filter(channel, r.blur_sigma) for channel in x])
        x = np.where(np.abs(x) < np.percentile(np.abs(x), r.small_value_percentile), 0, x)
        norm = np.sqrt((x**2).sum(0))
        x = np.where(norm < np.percentile(norm, r.norm_percentile), 0, x)
        benefit = np.abs((x * g).sum(0))
        x = np.where(benefit < np.percentile(benefit, r.contribution_percentile), 0, x)
    return rows


def test_a_linear_models_run_equals_an_independent_one_in_float64() -> None:
    model = linear_model()
    expected = toolbox(model, 2, ALL, 3000.0, 50)
    steps = list(ascend(model, "1", 2, regularization=ALL, step_size=3000.0, steps=50, precision="float32"))
    assert len(steps) == 50
    for step, (score, x) in zip(steps, expected, strict=True):
        assert float(step.scores[0]) == pytest.approx(score, rel=1e-4, abs=1e-4)
        np.testing.assert_allclose(step.x[0].numpy(), x, atol=1e-4 * max(1, np.abs(x).max()))


def test_a_sample_does_not_depend_on_its_batch() -> None:
    model = small_model()
    regularizations = (ALL, Regularization(blur_sigma=1, blur_every=2, jitter=2, scale=0.1), Regularization(norm_percentile=60))
    sizes = (Constant(500.0), Progress(1.0, 1e5), Constant(50.0))
    together = list(
        ascend(
            model,
            "3",
            [0, 3, 5],
            seeds=(4, 5, 6),
            regularization=regularizations,
            step_size=sizes,
            steps=8,
            precision="float32",
        )
    )
    for b in range(3):
        (*_, alone) = ascend(
            model,
            "3",
            [0, 3, 5][b],
            seeds=4 + b,
            regularization=regularizations[b],
            step_size=sizes[b],
            steps=8,
            precision="float32",
        )
        torch.testing.assert_close(together[-1].x[b], alone.x[0], atol=1e-3, rtol=1e-3)


def test_the_same_call_gives_the_same_bits() -> None:
    runs = [list(ascend(small_model(), "3", 1, regularization=ALL, step_size=300.0, steps=6))[-1] for _ in range(2)]
    assert torch.equal(runs[0].x, runs[1].x)


def test_going_on_from_a_step_gives_the_bits_of_the_run_itself() -> None:
    model, options = small_model(), {"regularization": ALL, "step_size": 300.0}
    whole = list(ascend(model, "3", 1, steps=9, **options))
    again = list(ascend(model, "3", 1, steps=5, start=whole[4].x, first=4, **options))
    assert torch.equal(again[-1].x, whole[-1].x)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [16, (16, 40), 33])
def test_any_channels_and_any_size_the_network_takes(channels: int, size: Any) -> None:
    steps = list(ascend(small_model(channels), "3", 1, size=size, regularization=ALL, step_size=1000.0, steps=3))
    assert steps[-1].x.shape == (1, channels, *((size, size) if isinstance(size, int) else size))
    assert bool(steps[-1].x.isfinite().all())


def test_the_objective_is_read_before_the_relu_unless_asked_otherwise() -> None:
    model = small_model()
    before = next(ascend(model, "4", range(6), steps=1, precision="float32"))
    after = next(ascend(model, "4", range(6), steps=1, precision="float32", pre_activation=False))
    conv = next(ascend(model, "3", range(6), steps=1, precision="float32"))
    assert torch.equal(before.scores, conv.scores)
    assert float(before.scores.min()) < 0
    torch.testing.assert_close(after.scores, before.scores.relu())


def test_progress01_reads_the_probability() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.Softmax(1))
    model = wrap(module, input_size=(3, 4, 4))
    *_, last = ascend(model, "2", 1, step_size=Progress01(0.1, 0.5, 1e9), regularization=Regularization(), steps=40)
    assert 0.9 < float(last.scores[0]) <= 1
    assert float(next(ascend(model, "2", 1, steps=1)).scores[0]) != float(next(ascend(model, "1", 1, steps=1)).scores[0] > 2)


def test_the_network_is_as_it_was_between_steps_and_after_an_exception() -> None:
    model = small_model()
    model.module.train()

    def state() -> list[Any]:
        modules = [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.module.modules()]
        return [modules, [(p.requires_grad, p.grad, p.dtype, p.stride(), p.data_ptr()) for p in model.module.parameters()]]

    before = state()
    run = ascend(model, "4", 0, steps=3)
    assert state() == before
    next(run)
    assert state() == before
    model.module[3].forward = None  # the pass fails
    with pytest.raises(TypeError):
        next(run)
    del model.module[3].forward
    assert state() == before


def test_a_dead_unit_gets_off_the_ground_and_says_so() -> None:
    model = small_model()
    with torch.no_grad():
        model.module[0].bias.fill_(-3.0)  # every unit of the first layer is off at the start
    options = {"step_size": Progress(2.0, 1e6), "regularization": Regularization(), "steps": 60}
    (stuck,) = ascend(model, "3", 1, redirect=False, **options)
    assert stuck.ends[0] is not None
    assert stuck.ends[0].reason == "zero gradient"
    steps = list(ascend(model, "3", 1, **options))
    assert bool(steps[0].redirected[0])
    assert not bool(steps[-1].redirected[0])
    assert float(steps[-1].scores[0]) > float(steps[0].scores[0])


def test_a_sample_that_is_not_finite_ends_with_its_last_good_picture_and_the_setting_to_blame() -> None:
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3)).exp().exp().exp()  # overflows once the picture is bright enough

    model = wrap(Broken(), input_size=(3, 8, 8))
    *before, last = ascend(model, "output", 0, step_size=100.0, regularization=Regularization(), steps=50)
    assert last.ends[0] is not None
    assert last.ends[0].reason == "not finite"
    assert torch.equal(last.x, before[-1].x)
    assert "network" in last.ends[0].advice


def test_settings_handed_over_on_the_way_hold_from_the_next_picture_and_are_played_again(tmp_path: Any) -> None:
    model = small_model()
    seen = []

    def steer() -> Settings:
        seen.append(0)
        return Settings(Regularization(decay=0.5) if len(seen) >= 3 else Regularization(), 300.0)

    options: Any = {"regularization": Regularization(), "step_size": 300.0, "steps": 6, "seeds": (0, 1)}
    result = visualize(model, "3", 1, steer=steer, **options)
    assert [index for index, _ in result.recipe.changes] == [0, 3]
    result.save(tmp_path / "picture.png")
    loaded = Visualization.load(tmp_path / "picture")
    again = loaded.rerun(model)
    assert torch.equal(again.last, result.last)
    assert torch.equal(loaded.x, result.x)
    assert (tmp_path / "picture.png").exists()
    assert loaded.settings == result.settings
    assert result.images.dtype == np.uint8
    assert result.images.shape == (2, 16, 16, 3)


def test_a_bad_value_is_named_with_its_range() -> None:
    with pytest.raises(ValueError, match=r"decay must be a number from 0 \(off\) to 1 .*, not 7"):
        Regularization(decay=7)
    with pytest.raises(ValueError, match="blur_every must be a whole number"):
        Regularization(blur_every=1.5)
    with pytest.raises(ValueError, match="units 0 to 5"):
        ascend(small_model(), "3", 6)
    with pytest.raises(ValueError, match="nothere"):
        ascend(small_model(), "nothere", 6)
