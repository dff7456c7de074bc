"""LabPanel: what a `RegularizationLab` is told, by controls above its gallery, and what it says of its progress."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from deepvis_widgets.live.searches import MODES
from deepvis_widgets.synthesis import PARAMETERS
from deepvis_widgets.synthesis.results import SCORES

if TYPE_CHECKING:
    from collections.abc import Callable

STATIC = Path(__file__).parent / "static"
AS_SWEPT = "as swept"
ORDERS = ("hello", "run", "pause", "resume", "stop")


class LabPanel(anywidget.AnyWidget):
    """Controls of a search, its progress, and how its gallery is sorted and filtered.

    Args:
        ordered: called with what the page asks for: "run", "pause", "resume", "stop", or "hello" when there is one.

    Attributes:
        mode: "ladder", "plane" or "random".
        first: the prior of a ladder, or of the rows of a plane.
        second: that of the columns.
        rungs: of a ladder, off included.
        side: values of each prior of a plane.
        count: of random combinations.
        seed: they are drawn from.
        steps: of each picture.
        sort: "as swept" or a score.
        descending: whether the highest comes first.
        filters: by score, the lowest and the highest value, None for any.
        message: what went wrong, "" if nothing.
    """

    _esm = STATIC / "regularization_lab.js"
    _css = STATIC / "regularization_lab.css"

    title = traitlets.Unicode().tag(sync=True)
    layers: traitlets.List[Any] = traitlets.List().tag(sync=True)
    layer = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode("0").tag(sync=True)
    unit_names: traitlets.List[Any] = traitlets.List().tag(sync=True)
    mode = traitlets.Enum(MODES, default_value=MODES[0]).tag(sync=True)
    modes: traitlets.List[Any] = traitlets.List(default_value=list(MODES)).tag(sync=True)
    priors: traitlets.List[Any] = traitlets.List(default_value=[[p.name, p.about] for p in PARAMETERS]).tag(sync=True)
    first = traitlets.Enum([p.name for p in PARAMETERS], default_value="blur_sigma").tag(sync=True)
    second = traitlets.Enum([p.name for p in PARAMETERS], default_value="decay").tag(sync=True)
    rungs = traitlets.Int(9, min=2, max=50).tag(sync=True)
    side = traitlets.Int(5, min=2, max=15).tag(sync=True)
    count = traitlets.Int(60, min=1, max=3000).tag(sync=True)
    seed = traitlets.Int(0, min=0, max=2**31).tag(sync=True)
    steps = traitlets.Int(100, min=1, max=10_000).tag(sync=True)
    scores: traitlets.List[Any] = traitlets.List(default_value=list(SCORES)).tag(sync=True)
    sort = traitlets.Enum((AS_SWEPT, *SCORES), default_value=AS_SWEPT).tag(sync=True)
    descending = traitlets.Bool(default_value=True).tag(sync=True)
    filters: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    state = traitlets.Unicode("idle").tag(sync=True)
    share = traitlets.Float().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    shown = traitlets.Unicode().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)
    details = traitlets.Unicode().tag(sync=True)

    def __init__(self, ordered: Callable[[str], None], **traits: Any) -> None:
        super().__init__(**traits)
        self._ordered = ordered
        self.on_msg(self._receive)

    @traitlets.validate("filters")
    def _limits(self, proposal: dict[str, Any]) -> dict[str, Any]:
        for name, pair in proposal["value"].items():
            if name not in SCORES:
                raise traitlets.TraitError(f"no score {name!r}; there are {', '.join(SCORES)}")
            if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(_limit(value) for value in pair):
                raise traitlets.TraitError(f"the limits of {name} must be two numbers, or None for any, not {pair!r}")
        return dict(proposal["value"])

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What the page changed; what cannot be is refused with a sentence, and the page is told what is."""
        try:
            super().set_state(sync_data)
        except traitlets.TraitError as error:
            self.message = f"{error}; nothing was changed"
            self.send_state(list(sync_data))

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if isinstance(content, dict) and content.get("kind") in ORDERS:
            self._ordered(content["kind"])


def _limit(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value is None or number
