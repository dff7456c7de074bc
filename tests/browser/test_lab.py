"""The lab in JupyterLab: run, stop, sort, pick, hand on, take away; and its sliders under mouse and keyboard."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.browser.toolbox import Toolbox

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator

    from tests.browser.harness import FrontEnd

CELL = """
import deepvis_widgets as dv
class Optimizer:
    model, regularization = dv.load("caffenet-mini"), None
optimizer = Optimizer()
lab = dv.RegularizationLab(layer="conv2", unit=3, optimizer=optimizer)
lab.panel.steps, lab.panel.rungs = 20, 4
lab
"""


@dataclass
class Lab(Toolbox):
    """A `RegularizationLab` called ``lab``."""

    @classmethod
    def start_up(cls, front_end: FrontEnd, *cells: str) -> Lab:
        """Open a notebook with one, and wait for it."""
        notebook = front_end.open([CELL, *cells])
        notebook.run_all()
        lab = cls(notebook)
        lab.wait("document.querySelector('.dv-lab .dv-lab-panel [data-name=layer]')?.value === 'conv2'")
        lab.wait("document.querySelector('.dv-lab > .dv-pictures .dv-maps')?.width > 1")
        return lab

    def wait_state(self, state: str) -> None:
        """Wait until the sweep says so in the page."""
        self.wait("(state) => document.querySelector('.dv-lab-panel').dataset.state === state", state)

    def search(self) -> None:
        """Press Run and wait for the end."""
        self.press("▶ Run")
        self.wait_state("done")
        self.wait("document.querySelector('.dv-lab > .dv-pictures').dataset.units === '4'")

    def choose(self, number: int) -> None:
        """Select a picture of the gallery with the keyboard."""
        self.find(".dv-lab > .dv-pictures .dv-stage").focus()
        self.notebook.page.keyboard.press("Home")
        for _ in range(number):
            self.notebook.page.keyboard.press("ArrowRight")
        self.wait_kernel(f"lab.gallery.unit == {number}")

    def set(self, name: str, text: str) -> None:
        """Type into a field of the panel."""
        field = self.find(f".dv-lab-panel input[data-name={name}]")
        field.fill(text)
        field.press("Enter")

    def ask(self, expression: str) -> str:
        """What the kernel says to it."""
        return self.notebook.execute(f"print({expression})").strip()


def test_a_ladder_runs_is_sorted_picked_from_and_taken_away(lab: FrontEnd, tmp_path: Path):
    page = Lab.start_up(lab)
    page.search()
    assert page.ask("[result.regularization.blur_sigma == 0 for result in lab.sweep.results]") == "[True, False, False, False]"
    page.wait("document.querySelector('.dv-lab .widget-image').naturalWidth > 100")
    assert page.find(".dv-lab > .dv-pictures .dv-caption").inner_text() == "blur sigma from off to 10 px"
    swept = page.canvas(".dv-lab > .dv-pictures .dv-maps")
    assert swept[..., 3].any()

    page.find("[data-name=sort]").select_option("activation")
    page.wait_kernel("lab.gallery._still['labels'][0].startswith(f'{lab.sweep.results[0].activation:.3g} · ')")
    scores = [float(score) for score in page.ask("*[result.activation for result in lab.sweep.results]").split()]
    assert scores == sorted(scores, reverse=True)
    page.find(".dv-direction").click()
    page.wait_kernel("lab.sweep.results[0].activation < lab.sweep.results[-1].activation")

    page.choose(3)
    page.wait("document.querySelector('.dv-facts')?.textContent.includes('spectrum distance')")
    assert f"{max(scores):.3g}" in page.find(".dv-facts").inner_text()
    page.press("Use in the optimiser")
    page.wait_kernel("optimizer.regularization == lab.picked == lab.sweep.results[3].regularization")

    with page.notebook.page.expect_download() as download:
        page.press("CSV")
    assert download.value.suggested_filename == "caffenet-mini-conv2-3.csv"
    download.value.save_as(tmp_path / "scores.csv")
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()))
    assert [float(row["activation"]) for row in rows] == pytest.approx(scores[::-1])
    page.notebook.screenshot("lab")
    assert page.notebook.errors == []


def test_a_search_is_paused_and_stopped_with_its_results_and_wrong_numbers_are_told(lab: FrontEnd):
    page = Lab.start_up(lab)
    page.set("steps", "none")
    page.wait("document.querySelector('.dv-lab-panel [role=alert]').textContent.includes('steps must be a whole number')")
    assert page.find("input[data-name=steps]").input_value() == "20"
    page.set("steps", "10000")
    page.wait_kernel("lab.panel.steps == 10000")
    assert not page.find(".dv-lab-panel [role=alert]").is_visible()

    page.press("▶ Run")
    page.wait("document.querySelector('.dv-lab > .dv-pictures').dataset.units === '4'")  # they form
    page.press("❚❚ Pause")
    page.wait_state("paused")
    index = page.ask("lab.job.forming.index")
    assert page.ask("lab.job.forming.index") == index
    page.press("▶ Continue")
    page.wait_kernel(f"lab.job.forming.index > {index}")
    page.press("■ Stop")
    page.wait_state("stopped")
    page.wait("document.querySelector('.dv-lab-panel').textContent.includes('4 of 4 shown')")
    assert page.ask("{result.end.reason for result in lab.sweep.results}") == "{'stopped'}"

    page.press("▶ Run")
    page.wait_state("running")
    page.notebook.execute("lab.close()")
    page.wait("!document.querySelector('.dv-lab-panel')")
    assert page.ask("[t.name for t in __import__('threading').enumerate() if t.name == 'deepvis-sweep']") == "[]"


SLIDERS = """
from deepvis_widgets.widgets.sliders import Sliders
s = Sliders(values={"decay": 0.01})
s
"""


def open_sliders(front_end: FrontEnd) -> tuple[Toolbox, Locator, Locator]:
    """The page, and the knob and the field of decay."""
    notebook = front_end.open([SLIDERS])
    notebook.run_all()
    page = Toolbox(notebook)
    page.wait("document.querySelector('.dv-sliders [data-name=decay] input[type=text]')?.value === '0.01'")
    row = notebook.page.locator(".dv-slider[data-name=decay]")
    return page, row.locator("input[type=range]"), row.locator("input[type=text]")


def test_a_slider_is_dragged_to_its_ends_and_moved_by_keys(lab: FrontEnd):
    page, knob, field = open_sliders(lab)
    mouse, box = page.notebook.page.mouse, knob.bounding_box()

    def drag(start: float, *shares: float) -> None:
        for share in (start, *shares):
            mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
            if share == start:
                mouse.down()
        mouse.up()

    drag(0.5, *(share / 50 for share in range(25, 51)), 1.2)
    page.wait_kernel("s.values['decay'] == 1.0")  # the last place of the pointer, whatever was left out on the way
    assert field.input_value() == "1"
    drag(0.99, 0.4, 0.1, -0.2)
    page.wait_kernel("s.values['decay'] == 0")
    assert (field.input_value(), knob.get_attribute("aria-valuetext")) == ("off", "off")
    knob.focus()
    page.notebook.page.keyboard.press("ArrowRight")
    page.wait_kernel("s.values['decay'] == 1e-5")
    assert (field.input_value(), knob.get_attribute("aria-valuetext")) == ("1e-5", "1e-5 of the picture a step")


def test_a_slider_takes_typed_numbers_refuses_wrong_ones_and_goes_back_on_double_click(lab: FrontEnd):
    page, _, field = open_sliders(lab)
    field.fill("0.25")
    field.press("Enter")
    page.wait_kernel("s.values['decay'] == 0.25")
    field.fill("7")
    field.press("Enter")
    page.wait("document.querySelector('.dv-sliders [role=alert]').textContent.includes('from 0 (off) to 1')")
    assert field.input_value() == "0.25"
    page.find(".dv-slider[data-name=decay] span").dblclick()
    page.wait_kernel("s.values['decay'] == 0.01 and s.message == ''")

    page.notebook.execute("s.values = {**s.values, 'tv': 2}")
    page.wait("document.querySelector('.dv-sliders summary').textContent === 'more priors (1 on)'")
    page.find(".dv-sliders summary").click()
    other = page.find(".dv-slider[data-name=tv] input[type=text]")
    assert other.is_visible()
    assert other.input_value() == "2"
    assert page.notebook.errors == []


PLACES = """
import numpy as np
from deepvis_widgets.widgets.picture_grid import PictureGrid
p = PictureGrid()
p.show(np.zeros((0, 4, 4, 3), np.uint8), places=1)
p
"""


_IS_DARK = """(dark) => {
    const canvas = document.querySelector(".dv-maps");
    const middle = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
    return middle[0] < 128 === dark;
}"""


def test_what_is_drawn_in_the_themes_colours_follows_the_theme(lab: FrontEnd):
    notebook = lab.open([PLACES])
    notebook.run_all()
    page = Toolbox(notebook)
    page.wait("document.querySelector('.dv-maps')?.width > 1")
    page.wait(_IS_DARK, False)
    for theme, dark in (("Dark", True), ("Light", False)):
        notebook.page.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        page.wait(_IS_DARK, dark)
