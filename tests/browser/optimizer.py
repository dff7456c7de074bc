"""FeatureOptimizer in a page: what a test does to it and reads off it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.browser.toolbox import _PIXELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from playwright.sync_api import Locator

    from tests.browser.harness import FrontEnd, Notebook

CELL = "import deepvis_widgets as dv\nf = dv.FeatureOptimizer({})\nf"


@dataclass
class Optimizer:
    """One view of a `FeatureOptimizer` that the notebook's kernel knows by a name."""

    notebook: Notebook
    name: str = "f"
    number: int = 0  # among the views in the page

    @classmethod
    def open(cls, front_end: FrontEnd, arguments: str = "", more: Sequence[str] = ()) -> Optimizer:
        """Open a notebook that shows one, called ``f``, and run its cells."""
        notebook = front_end.open([CELL.format(arguments), *more])
        notebook.run_all()
        optimizer = cls(notebook)
        optimizer.wait("view.querySelector('.dv-pictures .dv-maps')?.width > 1 && view.querySelector('.dv-score').textContent")
        return optimizer

    def find(self, selector: str) -> Locator:
        """The first such element in this view."""
        return self.notebook.page.locator(".dv-optimizer").nth(self.number).locator(selector).first

    def wait(self, condition: str, argument: Any = None) -> None:
        """Wait until a JavaScript expression of ``view`` and ``argument`` is true."""
        self.notebook.page.wait_for_function(
            "([number, argument]) => { const view = document.querySelectorAll('.dv-optimizer')[number]; return view && ("
            + condition
            + "); }",
            arg=[self.number, argument],
        )

    def wait_kernel(self, expression: str) -> None:
        """Wait until a Python expression is true in the kernel."""
        while self.notebook.execute(f"print(bool({expression}))").strip() != "True":
            self.notebook.page.evaluate("new Promise(requestAnimationFrame)")

    def press(self, label: str) -> None:
        """Press the button with that text."""
        self.notebook.page.locator(".dv-optimizer").nth(self.number).get_by_role("button", name=label, exact=True).click()

    def slide(self, name: str, value: float) -> None:
        """Type a prior's value beside its slider."""
        field = self.find(f".dv-slider[data-name={name}] input[type=text]")
        field.fill(str(value))
        field.press("Enter")

    def wait_state(self, word: str) -> None:
        """Wait until the line above the curve says "done", "paused" or the rate of a run ("steps/s")."""
        self.wait("view.querySelector('.dv-rate').textContent.includes(argument)", word)

    def wait_steps(self, count: int) -> None:
        """Wait until that many steps are on the curve."""
        self.wait("Number(view.querySelector('.dv-timeline').dataset.length) >= argument", count)

    @property
    def index(self) -> int:
        """Where the playhead is."""
        return int(self.find(".dv-timeline").get_attribute("data-index") or 0)

    def canvas(self) -> NDArray[np.uint8]:
        """The pixels of the picture, (H, W, 4)."""
        height, width, text = self.find(".dv-picture .dv-maps").evaluate(_PIXELS)
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)

    @property
    def is_flat(self) -> bool:
        """Whether the picture is mid-grey all over."""
        middle = self.canvas()[100:200, 100:200, :3].astype(int)
        return bool((abs(middle - 127.5) < 1).all())
