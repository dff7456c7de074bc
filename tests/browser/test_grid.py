"""The canvas under mouse and keyboard: what happens in the browser, and needs no kernel."""

from __future__ import annotations

import numpy as np
import pytest

from deepvis_widgets.activations.heatmaps import bend
from tests.browser.toolbox import CELL, Toolbox


def set_slider(toolbox: Toolbox, name: str, value: float) -> None:
    toolbox.find(f"input[aria-label={name}]").evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", str(value)
    )


def wait_unit(toolbox: Toolbox, unit: int) -> None:
    toolbox.wait("(start) => document.querySelector('.dv-readout').textContent.startsWith(start)", f"conv5:{unit} ")


@pytest.mark.parametrize(("gamma", "boost"), [(0.5, 0.0), (1.0, 0.6), (0.7, 1.0)])
def test_gamma_and_boost_follow_the_toolbox_formula(lab, gamma, boost):
    toolbox = Toolbox.open(lab)
    set_slider(toolbox, "gamma", gamma)
    set_slider(toolbox, "boost", boost)
    kernel = toolbox.kernel()
    at = np.clip(bend(kernel["maps"], boost=boost, gamma=gamma), 0, 1) * 255
    shown = toolbox.tiles().astype(int)
    # The browser looks colours up in quarters of a byte before gamma; near zero a root makes much of that.
    low, high = (kernel["palette"][np.clip(np.rint(at + d), 0, 255).astype(int)].astype(int) for d in (-12, 12))
    near = (shown >= np.minimum(low, high) - 12) & (shown <= np.maximum(low, high) + 12)
    assert near.mean() > 0.999
    plain = kernel["palette"][kernel["maps"]].astype(int)
    assert np.abs(shown - plain).mean() > 1


def test_a_colour_map_is_changed_without_the_kernel(lab):
    toolbox = Toolbox.open(lab, CELL, "print('ready')")
    kernel = toolbox.kernel()
    # From here on the kernel is busy; what changes now changes in the browser.
    toolbox.notebook.page.evaluate(
        """() => void window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel
            .requestExecute({code: "import threading; threading.Event().wait(120)"})"""
    )
    before = toolbox.canvas()
    toolbox.find(".dv-controls select").select_option("gray")
    shown = toolbox.canvas()[..., :3]
    assert (shown != before[..., :3]).any()
    # matplotlib's grey goes through its values in the order of the bytes, so the picture is the maps themselves.
    units, height, width = kernel["shape"]
    rows, columns = shown.shape[0] // height, shown.shape[1] // width
    tiles = shown[..., 0].reshape(rows, height, columns, width).swapaxes(1, 2).reshape(-1, height, width)[:units]
    np.testing.assert_array_equal(tiles, kernel["maps"])
    toolbox.notebook.page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.interrupt()")


def test_any_colour_map_of_matplotlib_can_be_set_from_python(lab):
    toolbox = Toolbox.open(lab)
    toolbox.notebook.execute("d.grid.colormap = 'twilight'")
    toolbox.wait("document.querySelector('.dv-controls select').value === 'twilight'")
    kernel = toolbox.kernel()
    np.testing.assert_array_equal(toolbox.tiles(), kernel["palette"][kernel["maps"]])


def test_units_are_selected_by_click_and_by_keyboard(lab):
    toolbox = Toolbox.open(lab)
    box = toolbox.find(".dv-maps").bounding_box()
    columns, rows = (toolbox.canvas().shape[axis] // 8 for axis in (1, 0))
    x, y = box["x"] + (3 + 0.5) * box["width"] / columns, box["y"] + (1 + 0.5) * box["height"] / rows
    toolbox.notebook.page.mouse.click(x, y)
    toolbox.notebook.page.mouse.move(0, 0)
    clicked = columns + 3
    wait_unit(toolbox, clicked)
    toolbox.wait_kernel(f"d.grid.unit == {clicked}")

    for key, unit in [
        ("ArrowRight", clicked + 1),
        ("ArrowDown", clicked + 1 + columns),
        ("ArrowUp", clicked + 1),
        ("Home", 0),
        ("ArrowLeft", 0),
        ("End", 191),
    ]:
        toolbox.notebook.page.keyboard.press(key)
        wait_unit(toolbox, unit)
    toolbox.wait_kernel("d.grid.unit == 191")


def test_hover_tells_unit_value_and_place(lab):
    toolbox = Toolbox.open(lab)
    kernel = toolbox.kernel()
    unit = kernel["unit"]
    row, column = np.unravel_index(kernel["maps"][unit].argmax(), (8, 8))
    box = toolbox.find(".dv-maps").bounding_box()
    canvas = toolbox.canvas()
    columns = canvas.shape[1] // 8
    pixel = box["width"] / canvas.shape[1]
    x, y = (unit % columns * 8 + column + 0.5) * pixel, (unit // columns * 8 + row + 0.5) * pixel
    toolbox.notebook.page.mouse.move(box["x"] + x, box["y"] + y)
    value = kernel["low"] + kernel["maps"][unit, row, column] / 255 * (kernel["high"] - kernel["low"])
    assert toolbox.find(".dv-readout").inner_text() == f"conv5:{unit}  {value:.2f} at ({row}, {column})"


def test_a_unit_is_enlarged_and_escape_goes_back(lab):
    toolbox = Toolbox.open(lab)
    kernel = toolbox.kernel()
    toolbox.find(".dv-stage").focus()
    toolbox.notebook.page.keyboard.press("Enter")
    toolbox.wait("document.querySelector('.dv-maps').width === 8")
    np.testing.assert_array_equal(toolbox.canvas()[..., :3], kernel["palette"][kernel["maps"][kernel["unit"]]])
    toolbox.notebook.screenshot("enlarged")
    toolbox.notebook.page.keyboard.press("Escape")
    toolbox.wait("document.querySelector('.dv-maps').width > 8")


def test_tiles_are_whole_device_pixels(lab):
    toolbox = Toolbox.open(lab)
    scale = toolbox.find(".dv-maps").evaluate(
        "(canvas) => canvas.getBoundingClientRect().width / canvas.width * devicePixelRatio"
    )
    assert scale == pytest.approx(round(scale))
    assert scale >= 2


def test_two_views_show_the_same_and_select_together(lab):
    toolbox = Toolbox.open(lab, CELL, "d")
    toolbox.wait("[...document.querySelectorAll('.dv-maps')].filter((canvas) => canvas.width > 1).length === 2")
    toolbox.start()
    page = toolbox.notebook.page
    page.locator(".dv-stage").nth(1).focus()
    page.keyboard.press("Home")
    page.wait_for_function("[...document.querySelectorAll('.dv-readout')].every((r) => r.textContent.startsWith('conv5:0 '))")
    toolbox.freeze()
    page.wait_for_function("new Set([...document.querySelectorAll('.dv-grid')].map((g) => g.dataset.sequence)).size === 1")
    first, second = (page.locator(".dv-maps").nth(i).evaluate("(c) => c.toDataURL()") for i in (0, 1))
    assert first == second


def test_it_follows_the_dark_theme(lab):
    toolbox = Toolbox.open(lab)
    style = "getComputedStyle(document.querySelector('{}')).{}".format
    colours = f"{style('.dv-caption', 'color')} + {style('.dv-stage', 'backgroundColor')}"
    light = toolbox.notebook.page.evaluate(colours)
    toolbox.notebook.page.evaluate("window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    toolbox.wait(f"(light) => {colours} !== light && document.body.dataset.jpThemeLight === 'false'", light)
    toolbox.start()
    toolbox.notebook.screenshot("dark")
    toolbox.notebook.page.evaluate("window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
    toolbox.wait("document.body.dataset.jpThemeLight === 'true'")


def test_every_control_has_a_name(lab):
    toolbox = Toolbox.open(lab)
    controls = ".dv-toolbox :is(button, select, input:not([type=file]), [role=application], canvas[role=img])"
    found, nameless = toolbox.notebook.page.evaluate(
        """(controls) => {
            const all = [...document.querySelectorAll(controls)];
            const named = (each) => each.textContent.trim() || each.ariaLabel || each.title;
            return [all.length, all.filter((each) => !named(each)).map((each) => each.outerHTML)];
        }""",
        controls,
    )
    assert found > 15
    assert nameless == []
