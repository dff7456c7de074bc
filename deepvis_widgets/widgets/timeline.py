"""Timeline: the scores of a run over its steps, where in it we are, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STATIC = Path(__file__).parent / "static"
ORDERS = ("scrub", "move", "go on", "run", "restart", "hello")


class Timeline(anywidget.AnyWidget):
    """The score curve, a line a sample, with a playhead to drag. What the page asks for goes to `on_order`.

    Attributes:
        steps: how many the run will have.
        index: the step of the picture shown.
        selected: the sample whose line stands out.
        rewound: whether the playhead was moved back, so that there is something to go on from.
        message: what went wrong and what to do about it, "" if nothing.
        details: the traceback that belongs to it.
    """

    _esm = STATIC / "timeline.js"
    _css = STATIC / "timeline.css"

    steps = traitlets.Int(1).tag(sync=True)
    index = traitlets.Int(0).tag(sync=True)
    selected = traitlets.Int(0).tag(sync=True)
    rewound = traitlets.Bool(default_value=False).tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)
    details = traitlets.Unicode().tag(sync=True)
    samples = traitlets.Int(1).tag(sync=True)
    # As with pictures: what is live goes as messages, what is kept is synced and saved with the notebook.
    _curve = traitlets.Bytes().tag(sync=True)
    _words: traitlets.Dict[str, str] = traitlets.Dict().tag(sync=True)
    _kept = traitlets.Int(0).tag(sync=True)  # how often; what is the same as last time is not sent, yet the page shows more

    def __init__(self, on_order: Callable[[str, int], None], **traits: Any) -> None:
        """``on_order(order, number)``: one of `ORDERS`; a "scrub" to that step, a "move" by so many pictures."""
        self._scores: list[tuple[float, ...]] = []
        self._told = 0
        self._on_order = on_order
        super().__init__(**traits)
        self.on_msg(self._receive)

    @property
    def scores(self) -> tuple[tuple[float, ...], ...]:
        """Of each step and sample, as drawn."""
        return tuple(self._scores)

    def add(self, index: int, scores: Sequence[float]) -> None:
        """The scores of a step; what was known of it and of later ones is forgotten. `tell` has it drawn."""
        del self._scores[index:]
        self._told = min(self._told, index)
        self._scores.append(tuple(scores))

    def clear(self, steps: int, samples: int) -> None:
        """Another run begins."""
        self._scores, self._told = [], 0
        with self.hold_sync():
            self.steps, self.samples = steps, samples
            self._keep(0, {}, rewound=False)

    def tell(self, words: dict[str, str], *, keep: bool) -> None:
        """Have it drawn up to the last step.

        Args:
            words: what stands above it: "step", "rate", "score" and "note".
            keep: also store it in the widget's state.
        """
        if keep:
            self.look(max(len(self._scores) - 1, 0), words, rewound=False)
        else:
            content = {"kind": "steps", "from": self._told, "samples": self.samples, "words": words}
            self.send(content, buffers=[_bytes(self._scores[self._told :])])
            self._told = len(self._scores)

    def look(self, index: int, words: dict[str, str], *, rewound: bool) -> None:
        """The picture of an earlier step is shown."""
        with self.hold_sync():
            self._keep(index, words, rewound=rewound)

    def _keep(self, index: int, words: dict[str, str], *, rewound: bool) -> None:
        self._curve, self._words, self._told = _bytes(self._scores), words, len(self._scores)
        self.index, self.rewound = index, rewound
        self._kept += 1

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if isinstance(content, dict) and content.get("kind") in ORDERS and isinstance(content.get("number", 0), int):
            self._on_order(content["kind"], content.get("number", 0))


def _bytes(scores: Sequence[Sequence[float]]) -> bytes:
    """(steps, samples) float32, row after row."""
    return np.asarray(scores, np.float32).tobytes()
