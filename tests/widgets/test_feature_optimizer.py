"""FeatureOptimizer shows a picture from the first moment, follows its sliders, and says in a sentence what goes wrong."""

from __future__ import annotations

import io
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

import deepvis_widgets as dv
from deepvis_widgets.activations import Inspector, Layer
from deepvis_widgets.synthesis import PRESETS, visualize
from deepvis_widgets.synthesis.step_sizes import POLICIES
from deepvis_widgets.widgets import feature_optimizer
from deepvis_widgets.widgets.feature_optimizer import FeatureOptimizer, default_layer
from deepvis_widgets.widgets.typed import read_size, read_unit
from tests.networks import Function, seeded, small_classifier, wrapped
from tests.widgets.conftest import PATIENCE, Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LABELS = ["tench", "goldfish", "great white shark", "tiger shark", "crane", "crane", "Crane fly"]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FeatureOptimizer]]:
    """Makes optimisers that show every step, and closes them."""
    monkeypatch.setattr(feature_optimizer, "BETWEEN", -1.0)
    monkeypatch.setattr(feature_optimizer, "REST", 0.01)
    opened: list[FeatureOptimizer] = []

    def make(*args: Any, **options: Any) -> FeatureOptimizer:
        network = seeded(small_classifier)
        args = args or (wrapped(network, labels=LABELS, name="mine"),)
        opened.append(FeatureOptimizer(*args, **{"steps": 6, **options}))
        return opened[-1]

    yield make
    for optimizer in opened:
        optimizer.close()


@pytest.fixture
def optimizer(made: Callable[..., FeatureOptimizer]) -> FeatureOptimizer:
    return done(made())


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.005)


def done(optimizer: FeatureOptimizer) -> FeatureOptimizer:
    until(lambda: ended(optimizer))
    return optimizer


def ended(optimizer: FeatureOptimizer) -> bool:
    """Whether it is done and has said so: the lock is held while it does."""
    with optimizer.optimization.lock:
        return optimizer.optimization.state == "done"


def shown(optimizer: FeatureOptimizer) -> Any:
    """The pictures on the canvas, (B, H, W, 3)."""
    header = optimizer.grid._still
    return np.frombuffer(optimizer.grid._pixels, np.uint8).reshape(header["units"], header["height"], header["width"], 3)


def move(optimizer: FeatureOptimizer, **values: float) -> None:
    """What the page does when a slider moves."""
    priors = optimizer.controls.priors
    priors.set_state({"values": {**priors.values, **values}})


def click(optimizer: FeatureOptimizer, name: str) -> None:
    optimizer.buttons[name].click()


def test_it_opens_with_the_start_on_the_canvas_and_runs_to_its_end(made) -> None:
    optimizer = made()
    assert shown(optimizer).shape == (1, 16, 16, 3)
    done(optimizer)
    made_by_hand = visualize(optimizer.model, "head", 0, **optimizer._choice.options())
    np.testing.assert_array_equal(shown(optimizer), feature_optimizer.render(made_by_hand.last))
    assert optimizer.timeline._words["step"] == "step 6 / 6"
    assert optimizer.timeline._words["rate"] == "done"
    assert [row[0] for row in optimizer.timeline.scores] == pytest.approx(made_by_hand.history.scores[:, 0].tolist())
    assert optimizer.timeline.message == ""


def test_the_bundled_networks_class_scores_are_what_it_begins_with() -> None:
    inspector = Inspector(dv.load("caffenet-mini"))
    assert default_layer(inspector) == "fc8"


def test_there_is_a_slider_for_every_declared_prior(optimizer) -> None:
    declared = [parameter["name"] for parameter in optimizer.controls.priors.declared]
    assert declared == [parameter.name for parameter in dv.synthesis.PARAMETERS]


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_sets_every_slider_for_the_networks_size(optimizer, name) -> None:
    optimizer.controls.presets.value = name
    preset = PRESETS[name].at((16, 16))
    assert optimizer._choice.settings.regularization == preset.regularization
    assert optimizer._choice.settings.step_size == preset.step_size
    assert optimizer.controls.priors.values == preset.regularization.values()
    assert optimizer.controls.presets.value == name
    move(optimizer, decay=0.5)
    assert optimizer.controls.presets.value is None


def test_a_slider_steers_a_run_and_the_recipe_says_so(made) -> None:
    optimizer = made(steps=100_000)
    until(lambda: len(optimizer.timeline.scores) > 3)
    move(optimizer, decay=0.5)
    until(lambda: optimizer.optimization.film.last.step.settings.regularization.decay == 0.5)
    click(optimizer, "pause")
    changes = optimizer.visualization.recipe.changes
    assert [settings.regularization.decay for _, settings in changes] == [
        PRESETS["smooth"].at((16, 16)).regularization.decay,
        0.5,
    ]
    assert changes[1][0] > 3


def test_a_slider_restarts_a_run_when_it_is_told_to(made) -> None:
    optimizer = made(steps=100_000)
    optimizer.controls.moving.value = True
    until(lambda: len(optimizer.timeline.scores) > 3)
    move(optimizer, decay=0.5)
    until(
        lambda: (
            optimizer.optimization.highlights.changes
            and optimizer.optimization.highlights.changes[0][1] == optimizer._choice.settings
        )
    )
    click(optimizer, "pause")
    assert [index for index, _ in optimizer.visualization.recipe.changes] == [0]


def test_a_slider_moved_when_it_is_done_runs_again(optimizer) -> None:
    before = shown(optimizer)
    move(optimizer, decay=0.5)
    until(
        lambda: (
            optimizer.optimization.state == "done"
            and optimizer.visualization.recipe.changes[0][1] == optimizer._choice.settings
        )
    )
    assert (shown(optimizer) != before).any()


def test_a_slider_moved_in_a_pause_holds_for_the_next_step(made) -> None:
    optimizer = made(steps=100_000)
    until(lambda: optimizer.timeline.scores)
    click(optimizer, "pause")
    move(optimizer, decay=0.5)
    assert optimizer.optimization.state == "paused"
    assert optimizer.optimization.film.last.step.settings.regularization.decay != 0.5
    click(optimizer, "step")
    until(lambda: optimizer.optimization.film.last.step.settings.regularization.decay == 0.5)
    until(lambda: optimizer.optimization.state == "paused")


def test_looking_back_shows_that_picture_and_going_on_drops_what_came_after(optimizer) -> None:
    page = Page(optimizer.timeline)
    last = shown(optimizer)
    page.message({"kind": "scrub", "number": 2})
    still = optimizer.optimization.film.at(2)
    np.testing.assert_array_equal(shown(optimizer), feature_optimizer.render(still.step.x))
    assert (optimizer.timeline.index, optimizer.timeline.rewound) == (2, True)
    assert len(optimizer.timeline.scores) == 6
    page.message({"kind": "move", "number": 1})
    assert optimizer.timeline.index == 3
    page.message({"kind": "move", "number": 99})
    assert (optimizer.timeline.index, optimizer.timeline.rewound) == (5, False)
    np.testing.assert_array_equal(shown(optimizer), last)
    page.message({"kind": "scrub", "number": 2})
    page.message({"kind": "go on"})
    done(optimizer)
    np.testing.assert_array_equal(shown(optimizer), last)
    assert not optimizer.timeline.rewound


def test_raising_the_number_of_steps_goes_on(optimizer) -> None:
    optimizer.controls.steps.value = 9
    until(lambda: len(optimizer.timeline.scores) == 9)
    assert done(optimizer).timeline._words["step"] == "step 9 / 9"


@pytest.mark.parametrize("seeds", [1, 4, 9])
def test_seeds_run_side_by_side_and_one_is_selected(optimizer, seeds) -> None:
    optimizer.controls.seeds.value = seeds
    until(lambda: len(shown(optimizer)) == seeds and ended(optimizer))
    assert optimizer.timeline.samples == seeds
    if seeds > 1:
        optimizer.grid.unit = 2
        assert optimizer.timeline.selected == 2
        assert optimizer.timeline._words["score"] == f"score {optimizer.timeline.scores[-1][2]:.2f}"


def test_contrast_changes_what_is_shown_and_nothing_else(optimizer) -> None:
    before, scores = shown(optimizer), optimizer.timeline.scores
    optimizer.controls.contrast.values = {"contrast": 0.25}
    assert shown(optimizer).std() < before.std() / 2
    optimizer.controls.contrast.values = {"contrast": 0}
    x = optimizer.optimization.film.last.step.x
    np.testing.assert_array_equal(shown(optimizer), feature_optimizer.render_unscaled(x, optimizer.model.mean))
    assert "in its own colours" in optimizer.grid.caption
    assert optimizer.timeline.scores == scores


@pytest.mark.parametrize(("layer", "position", "expected"), [("conv", "whole channel", "mean"), ("deep", "centre", None)])
def test_layer_and_position_begin_anew(optimizer, layer, position, expected) -> None:
    optimizer.controls.layer.value = layer
    optimizer.controls.position.value = position
    done(optimizer)
    assert (optimizer.optimization.layer, optimizer._choice.position) == (layer, expected)
    assert optimizer.grid.caption.startswith(f"{layer}:0")


def test_a_place_in_the_map_is_typed(optimizer) -> None:
    optimizer.controls.layer.value = "conv"
    optimizer.controls.position.value = "row, column"
    optimizer.controls.place.value = "3, 5"
    assert done(optimizer)._choice.position == (3, 5)
    optimizer.controls.place.value = "30, 5"
    until(lambda: "position must be" in optimizer.timeline.message.lower())


@pytest.mark.parametrize(
    ("control", "text", "words"),
    [
        ("unit", "7", "head has units 0 to 6, not 7"),
        ("unit", "zebra", "head has no unit 'zebra'"),
        ("unit", "shark", "could be 2 units of head"),
        ("size", "big", "'big' is no size; type it as 64"),
    ],
)
def test_what_is_typed_wrongly_is_answered_by_a_sentence_and_the_run_stays(optimizer, control, text, words) -> None:
    before = shown(optimizer)
    field = getattr(optimizer.controls, control)
    right = field.value
    field.value = text
    assert words.lower() in optimizer.timeline.message.lower()
    np.testing.assert_array_equal(shown(optimizer), before)
    field.value = right
    assert optimizer.timeline.message == ""


def test_a_size_that_the_network_does_not_take_is_told(optimizer) -> None:
    optimizer.controls.size.value = "2"
    until(lambda: "does not take pictures of 2 x 2" in optimizer.timeline.message)
    optimizer.controls.size.value = "20 × 16"
    until(lambda: ended(optimizer) and shown(optimizer).shape == (1, 20, 16, 3))
    assert optimizer.timeline.message == ""


@pytest.mark.parametrize(
    ("text", "unit"), [("3", 3), ("2 · whatever", 2), ("Goldfish", 1), ("great", 2), ("crane", 4), ("fly", 6)]
)
def test_units_go_by_number_and_by_name(text, unit) -> None:
    layer = Layer("head", "Linear", (7,), None, "head")
    assert read_unit(text, layer, [f"{i} · {label}" for i, label in enumerate(LABELS)]) == unit


@pytest.mark.parametrize(("text", "size"), [("64", (64, 64)), (" 64 × 96 ", (64, 96)), ("64x96", (64, 96))])
def test_sizes_are_read_as_they_are_written(text, size) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "64 × 0", "1 × 2 × 3", "-4"])
def test_what_is_no_size_is_refused(text) -> None:
    with pytest.raises(ValueError, match="type it as 64"):
        read_size(text)


def test_a_network_that_raises_is_told_with_its_traceback_and_run_tries_again(made) -> None:
    failing = threading.Event()

    def pass_through(x: Any) -> Any:
        if failing.is_set():
            raise ArithmeticError("the network is broken")
        return x + 0

    optimizer = made(wrapped(nn.Sequential(Function(pass_through), seeded(small_classifier)), name="mine"))
    done(optimizer)
    failing.set()
    click(optimizer, "restart")
    until(lambda: "ArithmeticError: the network is broken. Run tries again." in optimizer.timeline.message)
    assert "Traceback" in optimizer.timeline.details
    failing.clear()
    click(optimizer, "run")
    until(lambda: len(optimizer.timeline.scores) == 6)
    assert (optimizer.timeline.message, optimizer.timeline.details) == ("", "")


def test_a_score_that_is_not_finite_is_told(made) -> None:
    optimizer = made(wrapped(nn.Sequential(seeded(small_classifier), Function(lambda x: x * float("nan"))), name="mine"), "1")
    done(optimizer)
    assert "not finite" in optimizer.timeline.message
    assert optimizer.timeline._words["rate"] == "ended: not finite"


def test_a_kept_picture_brings_its_settings_back(optimizer) -> None:
    kept = optimizer.keepsakes.keep()
    choice, picture = optimizer._choice, shown(optimizer)
    optimizer.controls.unit.value = "4"
    move(optimizer, blur_sigma=3)
    done(optimizer)
    optimizer.keepsakes.keep()
    assert optimizer.keepsakes.strip.unit == 1
    optimizer.keepsakes.strip.unit = 0
    assert optimizer._choice == optimizer.controls.choice == choice == kept.choice
    done(optimizer)
    np.testing.assert_array_equal(shown(optimizer), picture)
    move(optimizer, decay=0.7)
    assert optimizer.keepsakes.strip.unit == -1
    optimizer.keepsakes.remove(0)
    assert [item.choice.unit for item in optimizer.keepsakes.items] == [4]


def test_the_code_of_a_kept_picture_makes_it_again(optimizer) -> None:
    Page(optimizer.timeline).message({"kind": "scrub", "number": 3})
    still = optimizer.optimization.here
    kept = optimizer.keepsakes.keep()
    *head, line = optimizer.keepsakes.code().splitlines()
    names: dict[str, Any] = {"model": optimizer.model}
    exec("\n".join(head), names)
    again = eval(line, names)
    assert (again.last == still.step.x).all()
    assert kept.scores == tuple(again.history.scores[-1].tolist())


def test_what_was_kept_is_exported(optimizer) -> None:
    page = Page(optimizer.exports)
    optimizer.keepsakes.keep()
    optimizer.controls.seeds.value = 4
    until(lambda: ended(optimizer) and len(optimizer.timeline.scores[-1]) == 4)
    optimizer.keepsakes.keep()
    for name in ("PNG", "JSON", "Copy as code"):
        optimizer.keepsakes.buttons[name].click()
    click(optimizer, "film")
    (png, text, code, gif) = page.received
    assert Image.open(io.BytesIO(png[1][0])).size == (2 * 34 + 2, 34)
    described = json.loads(bytes(text[1][0]))
    assert [(each["network"], each["unit"], len(each["scores"])) for each in described] == [("mine", 0, 1), ("mine", 0, 4)]
    assert code[0]["text"].count("dv.visualize(model, 'head', 0") == 2
    film = Image.open(io.BytesIO(gif[1][0]))
    assert (film.format, film.n_frames, film.size) == ("GIF", 6, (272, 272))


def test_nothing_can_be_exported_before_something_is_kept(optimizer) -> None:
    buttons = optimizer.keepsakes.buttons
    assert [name for name, button in buttons.items() if button.disabled] == ["Remove", "PNG", "JSON", "Copy as code"]


def test_closing_while_it_runs_leaves_no_thread_and_says_nothing_more(made) -> None:
    optimizer = made(steps=100_000)
    until(lambda: optimizer.timeline.scores)
    optimizer.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "deepvis-optimization"]


def test_two_optimisers_of_one_network_do_not_disturb_each_other(made) -> None:
    model = wrapped(seeded(small_classifier), labels=LABELS)
    first, second = made(model, steps=30), made(model, "conv", 3, steps=30)
    for optimizer in (done(first), done(second)):
        alone = visualize(model, optimizer._choice.layer, optimizer._choice.unit, **optimizer._choice.options())
        np.testing.assert_array_equal(shown(optimizer), feature_optimizer.render(alone.last))


def test_the_first_page_sees_it_form_and_a_later_one_what_there_is(optimizer) -> None:
    page = Page(optimizer.timeline)
    page.message({"kind": "hello"})
    until(lambda: page.sent("steps"))
    done(optimizer)
    count = len(page.received)
    page.message({"kind": "hello"})
    assert optimizer.optimization.state == "done"
    assert len(page.received) == count


def test_where_no_widget_runs_there_is_a_picture(optimizer) -> None:
    data = optimizer._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    assert Image.open(io.BytesIO(data["image/png"])).size == (256, 256)  # of 16 × 16


@pytest.mark.parametrize(("channels", "size"), [(1, (1, 16, 16)), (4, (4, 16, 12))])
def test_other_channels_and_shapes_are_shown(made, channels, size) -> None:
    optimizer = made(wrapped(seeded(lambda: small_classifier(channels=channels)), size), "conv")
    done(optimizer)
    assert shown(optimizer).shape == (1, *size[1:], 3)


@pytest.mark.parametrize("name", POLICIES)
def test_every_step_size_policy_has_its_sliders(made: Callable[..., FeatureOptimizer], name: str) -> None:
    controls = made().controls
    controls.policy.value = name
    policy = controls.choice.settings.step_size
    assert type(policy) is POLICIES[name]
    assert vars(policy) == controls.rates[name].values
