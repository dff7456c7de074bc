"""The harness shows what it should: a widget in every front end, a kernel that answers, and each kind of camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.kernel import KernelError

if TYPE_CHECKING:
    from tests.browser.harness import Camera, FrontEnd

COUNTER = """
import anywidget, traitlets

class Counter(anywidget.AnyWidget):
    _esm = '''
    export default { render({ model, el }) {
        const button = document.createElement("button");
        const show = () => { button.textContent = `count ${model.get("value")}`; };
        button.addEventListener("click", () => { model.set("value", model.get("value") + 1); model.save_changes(); });
        model.on("change:value", show);
        show();
        el.append(button);
    } };
    '''
    value = traitlets.Int(0).tag(sync=True)

counter = Counter()
counter
"""

CAMERA = """async () => {
    if (!navigator.mediaDevices) return 'no mediaDevices';
    try {
        const stream = await navigator.mediaDevices.getUserMedia({ video: true });
        const [track] = stream.getVideoTracks();
        const { width } = track.getSettings();
        track.stop();
        return `width ${width}`;
    } catch (error) {
        return error.name;
    }
}"""


def test_a_click_reaches_the_kernel_and_the_kernel_the_page(front_end: FrontEnd) -> None:
    notebook = front_end.open([COUNTER])
    if front_end.name != "voila":
        notebook.run_all()
    notebook.page.get_by_role("button", name="count 0").click()
    notebook.page.get_by_role("button", name="count 1").wait_for()
    assert notebook.execute("print(counter.value)") == "1\n"
    notebook.execute("counter.value = 7")
    notebook.page.get_by_role("button", name="count 7").wait_for()
    assert not notebook.errors


def test_errors_in_the_kernel_reach_the_test(lab: FrontEnd) -> None:
    notebook = lab.open(["1 / 0"])
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        notebook.run_all()
    with pytest.raises(KernelError, match="NameError: name 'missing' is not defined"):
        notebook.execute("missing")


def test_a_restarted_kernel_has_forgotten(lab: FrontEnd) -> None:
    notebook = lab.open(["x = 1"])
    notebook.run_all()
    notebook.restart()
    assert notebook.execute("print('x' in globals())") == "False\n"
    notebook.run_all()
    assert notebook.execute("print(x)") == "1\n"


@pytest.mark.parametrize(
    ("camera", "expected"),
    [("granted", "width 640"), ("denied", "NotAllowedError"), ("absent", "NotFoundError"), ("insecure", "no mediaDevices")],
)
def test_each_kind_of_camera(lab: FrontEnd, camera: Camera, expected: str) -> None:
    assert lab.open([""], camera).page.evaluate(CAMERA) == expected
