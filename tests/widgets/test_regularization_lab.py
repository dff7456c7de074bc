"""The lab shows what it tried, sorts it, hands on what was picked, and a mistake leaves what was there."""

from __future__ import annotations

import csv
import io
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import traitlets
from PIL import Image

from deepvis_widgets.synthesis import PARAMETERS, Regularization
from deepvis_widgets.synthesis.results import SCORES
from deepvis_widgets.widgets.feature_optimizer import FeatureOptimizer
from deepvis_widgets.widgets.regularization_lab import RegularizationLab
from tests.networks import seeded, small_classifier, wrapped
from tests.widgets.conftest import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

LABELS = [f"class of {i}" for i in range(7)]


@pytest.fixture
def optimizer() -> SimpleNamespace:
    return SimpleNamespace(model=wrapped(seeded(small_classifier), labels=LABELS, name="mine"), regularization=None)


@pytest.fixture
def lab(optimizer: SimpleNamespace) -> Iterator[RegularizationLab]:
    made = RegularizationLab(layer="conv", unit=1, optimizer=optimizer)
    made.panel.steps = 4
    made.panel.rungs = 5
    yield made
    made.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "deepvis-sweep"]


def search(lab: RegularizationLab, order: str = "run") -> None:
    """Press the button and wait for the end."""
    Page(lab.panel).message({"kind": order})
    wait(lab)


def wait(lab: RegularizationLab, *states: str) -> None:
    over = threading.Event()
    lab.panel.observe(lambda change: change["new"] in (states or ("done", "stopped")) and over.set(), "state")
    if lab.panel.state not in (states or ("done", "stopped")):
        assert over.wait(60), (lab.panel.state, lab.panel.message)
    with lab._lock:  # what it was doing when it said so is done as well
        pass


def shown(lab: RegularizationLab) -> list[float]:
    return [result.activation for result in lab.sweep.results]


def press(lab: RegularizationLab, text: str) -> None:
    def find(widget: Any) -> Iterator[Any]:
        for child in getattr(widget, "children", ()):
            yield child
            yield from find(child)

    next(child for child in find(lab) if getattr(child, "description", None) == text).click()


def test_a_ladder_fills_the_gallery_in_its_own_order_with_its_strengths(lab: RegularizationLab) -> None:
    assert (lab.gallery._still["units"], lab.gallery._still["places"]) == (0, 9)
    search(lab)
    assert lab.panel.message == ""
    assert (lab.panel.state, lab.panel.share, lab.panel.shown) == ("done", 1.0, "5 of 5 shown")
    assert lab.panel.note.startswith("5 of 5 · done in ")
    sigmas = [result.regularization.blur_sigma for result in lab.sweep.results]
    assert sigmas[0] == 0
    assert sigmas == sorted(sigmas)
    assert lab.gallery._still["labels"][0] == "off"
    assert len(lab.gallery._pixels) == lab.sweep.images.nbytes
    assert lab.gallery._pixels == lab.sweep.images.tobytes()
    assert lab.picture() is not None


def test_the_sliders_are_what_does_not_vary(lab: RegularizationLab) -> None:
    lab.sliders.values = {"decay": 0.25, "blur_every": 2}
    search(lab)
    assert {(r.regularization.decay, r.regularization.blur_every) for r in lab.sweep.results} == {(0.25, 2)}


def test_a_plane_is_laid_out_in_rows_and_columns(lab: RegularizationLab) -> None:
    lab.panel.mode, lab.panel.side = "plane", 3
    search(lab)
    assert (lab.gallery._still["columns"], lab.gallery._still["units"]) == (3, 9)
    assert lab.gallery.caption == "rows ↓ blur sigma · columns → decay"


def test_a_random_search_is_the_same_for_the_same_seed(lab: RegularizationLab) -> None:
    lab.panel.mode, lab.panel.count, lab.panel.seed = "random", 4, 3
    search(lab)
    first = [result.regularization for result in lab.sweep.results]
    search(lab)
    assert [result.regularization for result in lab.sweep.results] == first
    assert len(set(map(str, first))) == 4


def test_sorting_moves_pictures_and_the_selection_with_them(lab: RegularizationLab) -> None:
    search(lab)
    lab.gallery.unit = 3
    picked = lab.picked
    for descending in (True, False):
        lab.panel.sort, lab.panel.descending = "activation", descending
        assert shown(lab) == sorted(shown(lab), reverse=descending)
        assert lab.sweep.results[lab.gallery.unit].regularization == picked == lab.picked
        assert lab.gallery._pixels == lab.sweep.images.tobytes()
        assert lab.gallery._still["labels"][0].startswith(f"{shown(lab)[0]:.3g}")


def test_filters_hide_and_show_again(lab: RegularizationLab) -> None:
    search(lab)
    middle = sorted(shown(lab))[2]
    lab.panel.filters = {"activation": [middle, None]}
    assert sorted(shown(lab)) == sorted(result.activation for result in lab.job.results if result.activation >= middle)
    assert 0 < len(shown(lab)) < 5
    assert lab.panel.shown == f"{len(shown(lab))} of 5 shown"
    lab.panel.filters = {}
    assert len(shown(lab)) == 5


def test_what_is_picked_is_shown_with_every_setting_and_score_and_handed_on(
    lab: RegularizationLab, optimizer: SimpleNamespace
) -> None:
    search(lab)
    heard: list[Regularization] = []
    lab.observe(lambda change: heard.append(change["new"]), "picked")
    assert lab.picked is None
    lab.gallery.unit = 2
    setting = lab.sweep.results[2].regularization
    assert lab.picked == setting
    assert heard == [setting]
    text = lab.selected.facts.value
    assert all(name.replace("_", " ") in text for name in (*SCORES, *setting.changed()))
    assert f"{lab.sweep.results[2].activation:.3g}" in text
    assert lab.selected.picture._pixels == lab.sweep.images[2].tobytes()
    press(lab, "Use in the optimiser")
    assert optimizer.regularization == setting
    press(lab, "Use as base")
    assert Regularization(**lab.sliders.values) == setting


def test_a_feature_optimizer_lends_its_unit_and_takes_the_setting_over() -> None:
    optimizer = FeatureOptimizer(wrapped(seeded(small_classifier), name="mine"), "conv", 5, steps=2)
    lab = RegularizationLab(optimizer=optimizer)
    try:
        assert (lab.model, lab.panel.layer, lab.panel.unit) == (optimizer.model, "conv", "5")
        lab.panel.steps = 2
        search(lab)
        lab.gallery.unit = 4
        press(lab, "Use in the optimiser")
        assert optimizer.regularization == lab.picked
        assert optimizer.controls.choice.settings.regularization == lab.picked
    finally:
        lab.close()
        optimizer.close()


def test_the_table_the_sheet_and_the_figure_can_be_taken_away(lab: RegularizationLab) -> None:
    page = Page(lab.exports)
    press(lab, "CSV")
    assert "no result to save" in lab.panel.message
    search(lab)
    lab.panel.sort = "activation"
    for name in ("CSV", "Contact sheet", "Figure"):
        press(lab, name)
    (table, rows), (sheet, picture), (figure, drawing) = page.received
    assert [content["name"] for content in (table, sheet, figure)] == [f"mine-conv-1.{kind}" for kind in ("csv", "png", "svg")]
    read = list(csv.DictReader(io.StringIO(bytes(rows[0]).decode())))
    assert [float(row["activation"]) for row in read] == shown(lab)
    assert {parameter.name for parameter in PARAMETERS} <= set(read[0])
    assert Image.open(io.BytesIO(bytes(picture[0]))).width > 3 * 16
    assert b"<svg" in bytes(drawing[0])


def test_the_figure_is_drawn_when_a_ladder_is_done_and_again_for_another_score(lab: RegularizationLab) -> None:
    assert lab.figure.image.layout.visibility == "hidden"
    search(lab)
    first = lab.figure.image.value
    assert Image.open(io.BytesIO(first)).width > 300
    lab.figure.score.value = "total_variation"
    assert lab.figure.image.value != first
    assert lab.figure.image.layout.visibility == "visible"


def test_stopping_keeps_what_is_there(lab: RegularizationLab) -> None:
    lab.panel.steps = 10_000
    Page(lab.panel).message({"kind": "run"})
    wait(lab, "running")
    Page(lab.panel).message({"kind": "pause"})
    wait(lab, "paused")
    Page(lab.panel).message({"kind": "resume"})
    wait(lab, "running")
    search(lab, "stop")
    assert lab.panel.state == "stopped"
    assert len(lab.sweep) == lab.gallery._still["units"] == 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unit": "99"}, "conv has units 0 to"),
        ({"unit": "no such"}, "no unit"),
        ({"mode": "plane", "second": "blur_sigma"}, "two different priors"),
    ],
)
def test_a_search_that_cannot_be_is_refused_with_a_sentence_and_nothing_is_lost(
    lab: RegularizationLab, change: dict[str, str], words: str
) -> None:
    search(lab)
    before = lab.gallery._pixels
    for name, value in change.items():
        setattr(lab.panel, name, value)
    search(lab)
    assert words in lab.panel.message
    assert (lab.gallery._pixels, len(lab.sweep)) == (before, 5)


@pytest.mark.parametrize(
    "bad",
    [
        {"rungs": 1},
        {"steps": 0},
        {"mode": "spiral"},
        {"sort": "beauty"},
        {"filters": {"beauty": [0, 1]}},
        {"filters": {"activation": 3}},
    ],
)
def test_a_number_that_cannot_be_is_refused_from_the_page_and_in_python(lab: RegularizationLab, bad: dict[str, Any]) -> None:
    ((name, value),) = bad.items()
    before = getattr(lab.panel, name)
    with pytest.raises(traitlets.TraitError):
        setattr(lab.panel, name, value)
    told: list[Any] = []
    lab.panel.send_state = lambda key=None: told.append(key)
    lab.panel._handle_msg({"content": {"data": {"method": "update", "state": bad}}, "buffers": []})
    assert getattr(lab.panel, name) == before
    assert lab.panel.message.endswith("nothing was changed")
    assert [name] in told  # the page shows it again as it is


def test_a_network_that_fails_is_told_and_the_lab_goes_on() -> None:
    def fails(x: Any) -> Any:
        raise ZeroDivisionError("the network's own mistake")

    lab = RegularizationLab(wrapped(seeded(small_classifier), name="mine"), layer="conv")
    lab.panel.steps = 2
    try:
        good = lab.model.module.forward
        lab.model.module.forward = fails
        search(lab)
        told = lab.panel.message + str([result.end.advice for result in lab.job.results])
        assert "the network's own mistake" in told
        lab.model.module.forward = good
        search(lab)
        assert lab.panel.message == ""
        assert len(lab.sweep) == 9
    finally:
        lab.close()


def test_units_of_a_class_layer_go_by_name() -> None:
    lab = RegularizationLab(wrapped(seeded(small_classifier), labels=LABELS, name="mine"), unit=2)
    try:
        assert lab.panel.unit == "2 · class of 2"
        assert lab.panel.unit_names[6] == "6 · class of 6"
        lab.panel.layer = "conv"
        assert (lab.panel.unit, lab.panel.unit_names) == ("0", [])
    finally:
        lab.close()


def test_closing_while_it_runs_leaves_no_thread_and_no_widget(lab: RegularizationLab) -> None:
    lab.panel.steps = 10_000
    Page(lab.panel).message({"kind": "run"})
    wait(lab, "running")
    lab.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "deepvis-sweep"]
    assert lab.panel.comm is None
    assert lab.selected.picture.comm is None
