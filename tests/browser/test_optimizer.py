"""FeatureOptimizer under mouse and keyboard, in JupyterLab."""

from __future__ import annotations

import numpy as np

from tests.browser.optimizer import Optimizer

FLAT = """(() => {
    const canvas = view.querySelector('.dv-picture .dv-maps');
    const { data } = canvas.getContext('2d').getImageData(100, 100, 100, 100);
    return data.every((value, i) => i % 4 === 3 || Math.abs(value - 127.5) < 1);
})()"""


def test_it_runs_when_opened_and_buttons_and_keys_drive_it(lab):
    optimizer = Optimizer.open(lab, "steps=150")
    optimizer.wait_state("done")
    optimizer.wait_steps(150)
    finished = optimizer.canvas()
    optimizer.press("↺ Restart")
    optimizer.wait_state("steps/s")
    optimizer.wait_state("done")
    np.testing.assert_array_equal(optimizer.canvas(), finished)

    keyboard = optimizer.notebook.page.keyboard
    optimizer.find(".dv-track").focus()
    optimizer.notebook.execute("f.optimization.steps = 100_000")
    keyboard.press("r")
    optimizer.wait_steps(10)
    keyboard.press(" ")
    optimizer.wait_state("paused")
    held = optimizer.index
    optimizer.press("▶❚ Step")
    optimizer.wait(f"Number(view.querySelector('.dv-timeline').dataset.index) === {held + 1}")
    keyboard.press("Escape")
    optimizer.press("■ Stop")
    optimizer.wait_state("stopped")
    assert not optimizer.notebook.errors


def test_a_slider_steers_the_run_or_starts_it_over(lab):
    optimizer = Optimizer.open(lab, "steps=100_000")
    optimizer.wait_steps(20)
    assert not optimizer.is_flat
    optimizer.slide("decay", 1)  # all of every step's change is taken back: the mean colour, which is shown as mid-grey
    optimizer.wait(FLAT)
    steps = int(optimizer.find(".dv-timeline").get_attribute("data-length"))
    assert steps > 20
    optimizer.slide("decay", 0)
    optimizer.wait(f"!{FLAT}")

    optimizer.press("restarts")
    optimizer.slide("decay", 0.5)
    optimizer.wait(f"Number(view.querySelector('.dv-timeline').dataset.length) < {steps}")
    optimizer.press("❚❚ Pause")
    optimizer.wait_state("paused")
    assert optimizer.notebook.execute("print([i for i, _ in f.visualization.recipe.changes])").strip() == "[0]"


def test_looking_back_and_going_on_from_there(lab):
    optimizer = Optimizer.open(lab, "steps=60")
    optimizer.wait_state("done")
    optimizer.wait_steps(60)
    finished = optimizer.canvas()
    box = optimizer.find(".dv-track").bounding_box()
    optimizer.notebook.page.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    optimizer.wait("Math.abs(Number(view.querySelector('.dv-timeline').dataset.index) - 20) < 3")
    optimizer.wait_state("paused")
    back = optimizer.index
    assert (optimizer.canvas() != finished).any()
    optimizer.notebook.page.keyboard.press("ArrowLeft")
    optimizer.wait(f"Number(view.querySelector('.dv-timeline').dataset.index) === {back - 1}")
    assert optimizer.find(".dv-track").get_attribute("aria-valuenow") == str(back - 1)
    optimizer.notebook.screenshot("optimizer-rewound")
    optimizer.press("Go on from here")
    optimizer.wait_state("done")
    optimizer.wait_steps(60)
    np.testing.assert_array_equal(optimizer.canvas(), finished)


def test_a_kept_picture_is_restored_by_a_click(lab):
    optimizer = Optimizer.open(lab, "steps=40, seeds=4")
    optimizer.wait_state("done")
    optimizer.press("Keep")
    optimizer.wait("view.querySelector('.dv-keepsakes .dv-grid').dataset.units === '1'")
    optimizer.find(".dv-unit-choice input").fill("tarantula")
    optimizer.find(".dv-unit-choice input").press("Enter")
    optimizer.press("sharp")
    optimizer.wait("view.querySelector('.dv-caption').textContent.includes('tarantula')")
    optimizer.wait_kernel("f._choice.settings.regularization.norm_percentile == 20 and f.optimization.state == 'done'")
    optimizer.press("Keep")
    optimizer.wait("view.querySelector('.dv-keepsakes .dv-grid').dataset.units === '2'")
    optimizer.find(".dv-keepsakes .dv-maps").click(position={"x": 40, "y": 40})
    optimizer.wait("view.querySelector('.dv-caption').textContent.includes('goldfish')")
    optimizer.wait("view.querySelector('.dv-slider[data-name=norm_percentile] input[type=text]').value === 'off'")
    optimizer.wait_kernel("f._choice == f.keepsakes.items[0].choice")
    optimizer.notebook.screenshot("optimizer-kept")


def test_two_at_once_and_closing_one_while_it_runs(lab):
    first = Optimizer.open(lab, "steps=100_000", ["g = dv.FeatureOptimizer(f.model, 'conv5', 12, steps=100_000)\ng"])
    second = Optimizer(first.notebook, "g", 1)
    for optimizer in (first, second):
        optimizer.wait_steps(30)
    first.notebook.execute("f.close()")
    first.notebook.page.wait_for_function("document.querySelectorAll('.dv-optimizer').length === 1")
    rest = Optimizer(first.notebook, "g", 0)
    rest.wait_steps(60)
    names = first.notebook.execute(
        "import threading; print([t.name for t in threading.enumerate()].count('deepvis-optimization'))"
    )
    assert names.strip() == "1"
    # A cell that is interrupted leaves the run and the sliders alone.
    page = first.notebook.page
    kernel = "window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel"
    page.evaluate(f"() => void {kernel}.requestExecute({{code: 'import time; time.sleep(300)'}})")
    page.wait_for_function(f"{kernel}.status === 'busy'")
    page.evaluate(f"{kernel}.interrupt()")
    page.wait_for_function(f"{kernel}.status === 'idle'")
    rest.slide("decay", 1)
    rest.wait(FLAT)
    first.notebook.execute("g.close()")


def test_what_goes_wrong_stands_in_the_widget_and_every_control_has_a_name(lab):
    optimizer = Optimizer.open(lab, "steps=30")
    optimizer.find(".dv-unit-choice input").fill("9999")
    optimizer.find(".dv-unit-choice input").press("Enter")
    optimizer.wait("view.querySelector('.dv-alert .dv-message').textContent.includes('fc8 has units 0 to 199, not 9999')")
    nameless = optimizer.notebook.page.evaluate(
        """() => [...document.querySelectorAll(".dv-optimizer :is(button, select, input, [role=application], [role=slider])")]
            .filter((each) => !(each.textContent.trim() || each.ariaLabel || each.title || each.labels?.length))
            .map((each) => each.outerHTML)"""
    )
    assert nameless == []
    optimizer.notebook.execute(
        "from torch import nn\n"
        "handle = f.model.module.fc7.register_forward_pre_hook(lambda *_: 1 / 0)\n"
        "f.optimization.restart()"
    )
    optimizer.wait("view.querySelector('.dv-alert .dv-message').textContent.includes('ZeroDivisionError')")
    optimizer.notebook.execute("handle.remove()")
    optimizer.press("▶ Run")
    optimizer.wait_state("done")
    optimizer.wait("view.querySelector('.dv-alert').hidden")
