"""What stands beside a lab's gallery: the selected picture with its numbers, and the figure of score against strength."""

from __future__ import annotations

import io
import math
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np

from deepvis_widgets.live.searches import strength, words
from deepvis_widgets.plots import score_against_strength
from deepvis_widgets.synthesis import PARAMETERS, Result, Sweep
from deepvis_widgets.synthesis.results import SCORES

from .picture_grid import PictureGrid

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

DPI = 110


class PickedPane(ipywidgets.Box):
    """One picture, large, with everything that is known of it.

    Args:
        buttons: what can be done with its setting.
    """

    def __init__(self, *buttons: ipywidgets.Button) -> None:
        self.picture, self.facts, self.buttons = PictureGrid(), ipywidgets.HTML(), buttons
        super().__init__([self.picture, self.facts, ipywidgets.Box(list(buttons)).add_class("dv-buttons")])
        self.add_class("dv-picked")
        self.clear()

    def show(self, result: Result, image: NDArray[np.uint8], label: str) -> None:
        """Show a result; ``image`` is its picture, (H, W, C)."""
        self.picture.show(image[None], caption=f"selected: {label}" if label else "selected")
        self._enable(facts(result))

    def clear(self) -> None:
        """Show none; its place is held."""
        self.picture.show(np.zeros((0, 1, 1, 3), np.uint8), caption="selected: none", places=1)
        self._enable("")

    def _enable(self, text: str) -> None:
        self.facts.value = text
        for button in self.buttons:
            button.disabled = not text


class FigurePane(ipywidgets.Box):
    """A figure of a score against the strength of a prior, both of which can be chosen.

    Args:
        against: the prior at first.
        changed: called when another one, or another score, was chosen.
        *above: what stands above it besides.
    """

    def __init__(self, against: str, changed: Callable[[], None], *above: ipywidgets.Widget) -> None:
        scores, priors = ([(words(name), name) for name in names] for names in (SCORES, [p.name for p in PARAMETERS]))
        self.score = ipywidgets.Dropdown(options=scores, description="figure of")
        self.against = ipywidgets.Dropdown(options=priors, value=against, description="against")
        self.image = ipywidgets.Image(format="png", layout={"visibility": "hidden"})  # its place is held
        self._drawn: tuple[Any, ...] | None = None  # what it was drawn from
        super().__init__([*above, ipywidgets.Box([self.score, self.against]).add_class("dv-axes"), self.image])
        self.add_class("dv-plot")
        for axis in (self.score, self.against):
            axis.observe(lambda _change: changed(), "value")

    def show(self, results: tuple[Result, ...]) -> None:
        """Draw it, where something in it has changed."""
        drawn = (results, self.score.value, self.against.value)
        if results and drawn != self._drawn:
            self._drawn = drawn
            self.image.value = self.plot(results, "png")
            self.image.layout.visibility = "visible"

    def plot(self, results: tuple[Result, ...], kind: str) -> bytes:
        """The figure as a file of that kind, "png" or "svg"."""
        buffer = io.BytesIO()
        score_against_strength(Sweep(results), self.against.value, self.score.value).savefig(buffer, format=kind, dpi=DPI)
        return buffer.getvalue()


def facts(result: Result) -> str:
    """A result's settings and scores as a table, in HTML."""
    on = [(words(p.name), strength(p, result.regularization.values()[p.name])) for p in PARAMETERS]
    settings = [(name, value) for name, value in on if value != "off"] or [("all priors", "off")]
    scores = [(words(name), written(getattr(result, name))) for name in SCORES]
    rows = [f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in (*settings, *scores)]
    rows.insert(len(settings), "<tr><td colspan=2></td></tr>")
    why = "" if result.end.reason == "steps done" else f"<p>{escape(str(result.row()['end']))}</p>"
    return f'<table class="dv-facts">{"".join(rows)}</table>{why}'


def written(score: float | bool) -> str:
    """Three digits, yes or no, or a dash where it cannot be told."""
    if isinstance(score, bool):
        return "yes" if score else "no"
    return "—" if math.isnan(score) else f"{score:.3g}"
