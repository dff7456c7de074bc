"""A run of `ascend` that a person steers: on a thread of its own, to be paused, stepped, rewound and started over."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

from deepvis_widgets.synthesis import PRESETS, Settings, Visualization, ascend
from deepvis_widgets.synthesis.highlights import Highlights
from deepvis_widgets.synthesis.recipe import Recipe

from .film import Film, Still
from .worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Unpack

    from deepvis_widgets.models import VisionModel
    from deepvis_widgets.synthesis import Step
    from deepvis_widgets.synthesis.ascent import Options

State = Literal["idle", "running", "paused", "done"]
STEPS = 200  # unless given, as `ascend` has it


class Optimization:
    """Drives `ascend`. Every method may be called from any thread and returns at once; the work is done on the worker.

    Args:
        model: the network; it runs where it is.
        layer: the name of the layer.
        unit: one, or one for each sample.
        on_step: called with each step.
        on_state: called when the state has changed.
        on_error: called with what the network, or a setting, raised; the run is over then, and `run` begins another.
        **options: the keywords of `ascend`.

    Attributes:
        settings: strength of the priors and step size; another value holds from the next step on.
        film: the pictures kept, to go back to.
        highlights: the numbers of every step, the best and the last pictures.
        lock: held while a callback is called, and to be held by who reads more than one of these: they then fit together,
            and nothing is told in between.
    """

    settings: Settings
    film: Film
    highlights: Highlights
    _from: Still | None = None  # the still to go on from, when that is not the step in hand
    _steps: Iterator[Step] | None = None
    _in_hand: Iterator[Step] | None = None  # which of them the worker has asked for a step
    _due: float | None = None  # when to start over
    _budget = math.inf  # steps until the next pause

    def __init__(
        self,
        model: VisionModel,
        layer: str,
        unit: int | Sequence[int],
        *,
        on_step: Callable[[Step], Any] | None = None,
        on_state: Callable[[State], Any] | None = None,
        on_error: Callable[[Exception], Any] | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.model = model
        self.lock = threading.RLock()
        self._orders = threading.Condition(self.lock)
        self._on_step, self._on_state, self._on_error = on_step, on_state, on_error
        self._worker: Worker[None] = Worker(self._work, lambda _wake, error: self._fail(error), "optimization")
        self._state: State = "idle"
        self._closed = False
        self.begin(layer, unit, **options)

    @property
    def state(self) -> State:
        """What it does: "idle" before the first step, "running", "paused", or "done" for whatever reason."""
        return self._state

    @property
    def steps(self) -> int:
        """How many steps the run has; set it at any time. A run that was done then goes on with `run`, if there are more."""
        return self._options.get("steps", STEPS)

    @steps.setter
    def steps(self, count: int) -> None:
        with self.lock:
            self._options["steps"] = count
            if self._from is None:
                self._from = self.film.last
            self._steps = None

    @property
    def here(self) -> Still | None:
        """What `run` goes on from: the still rewound to, else the last; None before the first step."""
        return self._from or self.film.last

    @property
    def visualization(self) -> Visualization:
        """What came of it so far.

        Raises:
            ValueError: nothing has run yet.
        """
        with self.lock:
            if self.film.last is None:
                raise ValueError("there is no picture yet: run it, or take a step")
            recipe = Recipe.of(self.layer, self.unit, self._options, self.highlights.changes)
            return Visualization.of(self.highlights, self.model, recipe)

    def recipe(self, still: Still) -> Recipe:
        """The call whose last picture is this one."""
        options = self._options | {"steps": still.index + 1}
        changes = [*still.before.changes]
        if not changes or changes[-1][1] != still.step.settings:
            changes.append((still.index, still.step.settings))
        return Recipe.of(self.layer, self.unit, options, changes)

    def begin(self, layer: str, unit: int | Sequence[int], **options: Unpack[Options]) -> None:
        """Make something else from now on, with settings of its own; what there was is let go. `run` starts it."""
        smooth = PRESETS["smooth"].at(self.model.input_size[1:])
        regularization, step_size = options.get("regularization"), options.get("step_size")
        settings = Settings(
            smooth.regularization if regularization is None else _frozen(regularization),
            smooth.step_size if step_size is None else _frozen(step_size),
        )
        with self.lock:
            self.layer, self.unit, self._options = layer, unit, options
            self.settings = settings
            self._forget()
            self._become("idle")

    def run(self) -> None:
        """Go on, from where it was rewound to if it was; what is done starts over, unless steps have been added."""
        self._go(math.inf)

    def step(self) -> None:
        """One step, and pause. What is in hand from before a pause does not count."""
        with self.lock:
            in_hand = self._in_hand is not None and self._in_hand is self._steps and self._state != "running"
            self._go(1 + in_hand)

    def pause(self) -> None:
        """Hold after the step in hand."""
        with self.lock:
            self._due = None
            if self._state == "running":
                self._become("paused")

    def stop(self) -> None:
        """End it here; the step in hand is let go."""
        with self.lock:
            self._due = self._steps = None
            if self._state in ("running", "paused"):
                self._become("done")

    def restart(self, rest: float = 0.0) -> None:
        """Start over, from the same seeds, with the present settings.

        Args:
            rest: seconds to wait; another call in the meantime begins the wait anew. Until then a run that is on goes on.
        """
        with self.lock:
            if self._closed:
                return
            if rest > 0:
                self._due = time.monotonic() + rest
                self._orders.notify_all()
                self._worker.put(None)
            else:
                self._forget()
                self._go(math.inf)

    def rewind(self, index: int) -> Still:
        """Pause, and go on from that step's picture later, or from the nearest before it that was kept.

        What came after it is forgotten only when `run` or `step` have gone on from there.

        Raises:
            ValueError: nothing has run yet.
        """
        with self.lock:
            self._from = still = self.film.at(index)
            self._due = self._steps = None
            over = still is self.film.last and all(still.step.ends)
            self._become("done" if over else "paused")
            return still

    def close(self) -> None:
        """End the thread after the step in hand, and wait for that."""
        with self.lock:
            self._closed = True
            self.stop()
            self._orders.notify_all()
        self._worker.close()

    def _go(self, budget: float) -> None:
        with self.lock:
            if self._closed:
                return
            if self._state == "done" and (self._from is None or self._from.index + 1 >= self.steps):
                self._forget()
            self._budget, self._due = budget, None
            self._become("running")
            self._worker.put(None)

    def _forget(self) -> None:
        """As before the first step."""
        self.film, self.highlights = Film(), Highlights()
        self._from = self._steps = self._due = None
        self._budget = math.inf

    def _become(self, state: State) -> None:
        changed, self._state = self._state != state, state
        self._orders.notify_all()
        if changed and self._on_state is not None:
            self._on_state(state)

    def _work(self, _wake: None) -> None:
        """On the worker: step after step until another order says otherwise. The network runs without the lock."""
        while (steps := self._next()) is not None:
            try:
                step = next(steps)
            except Exception as error:  # noqa: BLE001 - whatever a user's network raises belongs on the screen
                self._fail(error, steps)
            else:
                self._take(steps, step)

    def _next(self) -> Iterator[Step] | None:
        """Whom to ask for a step; None when there is nothing to do."""
        with self._orders:
            while self._due is not None and self._state != "running" and (rest := self._due - time.monotonic()) > 0:
                self._orders.wait(rest)
            if self._due is not None and self._due <= time.monotonic():
                self._forget()
                self._become("running")
            if self._state != "running":
                return None
            self._steps = self._in_hand = self._steps or self._climb(self._from)
            return self._steps

    def _climb(self, still: Still | None) -> Iterator[Step]:
        """A generator around the generator: looking for the layer takes a pass, and that is for the worker as well."""
        options = self._options.copy()
        options["steer"] = lambda: self.settings
        settings = self.settings
        if still is not None:
            settings = still.step.settings  # it was made with these; the present ones hold for what is made of it
            options["start"], options["first"] = still.step.x, still.index
            options["steps"] = max(self.steps - still.index, 1)
        options["regularization"], options["step_size"] = settings.regularization, settings.step_size
        yield from ascend(self.model, self.layer, self.unit, **options)

    def _take(self, steps: Iterator[Step], step: Step) -> None:
        with self.lock:
            self._in_hand = None
            if steps is not self._steps:
                return  # another order came while the network ran
            if self._from is not None:
                self.film.cut(self._from)
                self.highlights, self._from = self._from.before, None
            self.highlights.add(step)
            self.film.add(Still(step, self.highlights.before_last()))
            self._budget -= 1
            if self._on_step is not None:
                self._on_step(step)
            if all(step.ends):
                self._steps = None
                self._become("done")
            elif self._budget <= 0 and self._state == "running":
                self._become("paused")

    def _fail(self, error: Exception, steps: Iterator[Step] | None = None) -> None:
        with self.lock:
            self._in_hand = None
            if steps is not None and steps is not self._steps:
                return
            self._due = self._steps = None
            self._become("done")
            if self._on_error is not None:
                self._on_error(error)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
