"""Keepsakes: pictures that were kept with all that made them, side by side, to go back to and to take away."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ipywidgets
import numpy as np
from PIL import Image, ImageOps

from deepvis_widgets.synthesis.display import sheet

from .picture_grid import PictureGrid

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from deepvis_widgets.synthesis.recipe import Recipe

    from .exports import Exports
    from .optimizer_controls import Choice

THUMBNAIL = 96  # pixels a side
GREY = (127, 127, 127)


@dataclass(frozen=True, eq=False)
class Kept:
    """A picture with what made it.

    Attributes:
        image: (H, W, 3) uint8; of several seeds all, on one sheet.
        label: what it shows, e.g. "conv5:12".
        scores: one a seed.
        choice: what the controls said.
        recipe: the call that makes it again.
        network: the model's name.
    """

    image: NDArray[np.uint8]
    label: str
    scores: tuple[float, ...]
    choice: Choice
    recipe: Recipe
    network: str

    def thumbnail(self, side: int) -> NDArray[np.uint8]:
        """(side, side, 3), on mid-grey where it is not square."""
        return np.asarray(ImageOps.pad(Image.fromarray(self.image), (side, side), color=GREY))


class Keepsakes(ipywidgets.Box):
    """A strip of thumbnails, and buttons to keep, to remove and to export.

    Args:
        keep: makes a `Kept` of what is there now; called when the button is pressed.
        restore: called with the one that was clicked.
        exports: brings files and text to the browser.

    Attributes:
        items: what was kept, in order.
    """

    def __init__(self, keep: Callable[[], Kept], restore: Callable[[Kept], None], exports: Exports) -> None:
        self.items: list[Kept] = []
        self._keep, self._restore, self._exports = keep, restore, exports
        self.strip = PictureGrid()
        self.strip.observe(self._selected, "unit")
        made = {
            "Keep": ("Keep this picture and its settings", self.keep),
            "Remove": ("Remove the selected picture", self.remove),
            "PNG": ("All kept pictures on one sheet", self.save_sheet),
            "JSON": ("The settings and scores of all kept pictures", self.save_json),
            "Copy as code": ("The Python calls that make the kept pictures again", self.copy_code),
        }
        self.buttons = {name: ipywidgets.Button(description=name, tooltip=title) for name, (title, _) in made.items()}
        for name, (_, press) in made.items():
            self.buttons[name].on_click(lambda _button, press=press: press())
        super().__init__([ipywidgets.Box(list(self.buttons.values())).add_class("dv-buttons"), self.strip])
        self.add_class("dv-keepsakes")
        self._show()

    def keep(self) -> Kept:
        """Keep what is there now."""
        kept = self._keep()
        self.items.append(kept)
        self._show()
        self.strip.unit = len(self.items) - 1
        return kept

    def remove(self, number: int | None = None) -> None:
        """Remove one; the selected one unless given."""
        number = self.strip.unit if number is None else number
        if 0 <= number < len(self.items):
            del self.items[number]
            self.strip.unit = -1
            self._show()

    def deselect(self, choice: Choice) -> None:
        """The controls say something else than the selected one did."""
        if 0 <= self.strip.unit < len(self.items) and self.items[self.strip.unit].choice != choice:
            self.strip.unit = -1

    def code(self) -> str:
        """The calls that make them again."""
        networks = ", ".join(dict.fromkeys(kept.network for kept in self.items))
        policies = {type(policy).__name__ for kept in self.items for policy in kept.choice.settings.step_sizes(1)}
        names = ", ".join(sorted({"Regularization", *policies}))
        lines = [f"{kept.recipe.code()}  # score {', '.join(f'{score:.2f}' for score in kept.scores)}" for kept in self.items]
        head = ["import deepvis_widgets as dv", f"from deepvis_widgets.synthesis import {names}", "", f"# model: {networks}"]
        return "\n".join([*head, *lines, ""])

    def to_json(self) -> str:
        """Settings and scores."""
        kept = [{"network": k.network, "scores": list(k.scores), **k.recipe.to_json()} for k in self.items]
        return json.dumps(kept, indent=1) + "\n"

    def sheet(self) -> Image.Image:
        """All of them side by side, each as large as the largest."""
        side = max((max(kept.image.shape[:2]) for kept in self.items), default=1)
        return Image.fromarray(sheet(np.stack([kept.thumbnail(side) for kept in self.items])))

    def save_sheet(self) -> None:
        """To the user's own computer."""
        buffer = io.BytesIO()
        self.sheet().save(buffer, format="PNG")
        self._exports.download("kept.png", buffer.getvalue(), "image/png")

    def save_json(self) -> None:
        """To the user's own computer."""
        self._exports.download("kept.json", self.to_json().encode(), "application/json")

    def copy_code(self) -> None:
        """To the clipboard."""
        self._exports.copy(self.code())

    def close(self) -> None:
        """With all its parts."""
        for widget in (self.strip, *self.buttons.values()):
            widget.close()
        super().close()

    def _selected(self, change: dict[str, int]) -> None:
        self._enable()
        if 0 <= change["new"] < len(self.items):
            self._restore(self.items[change["new"]])

    def _show(self) -> None:
        pictures = [kept.thumbnail(THUMBNAIL) for kept in self.items]
        images = np.stack(pictures) if pictures else np.zeros((0, THUMBNAIL, THUMBNAIL, 3), np.uint8)
        places = max(8, len(pictures))
        caption = "kept: click one to take its settings" if pictures else "nothing kept yet"
        self.strip.show(images, [kept.label for kept in self.items], caption, places=places, columns=places)
        self._enable()

    def _enable(self) -> None:
        for name in ("PNG", "JSON", "Copy as code"):
            self.buttons[name].disabled = not self.items
        self.buttons["Remove"].disabled = not 0 <= self.strip.unit < len(self.items)
