"""A sweep on a thread of its own: pictures that form, results as they come, to be paused and stopped with what is there."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from deepvis_widgets.synthesis import run_sweep

from .worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from deepvis_widgets.models import VisionModel
    from deepvis_widgets.synthesis import Regularization, Result, Step
    from deepvis_widgets.synthesis.ascent import Options

State = Literal["idle", "running", "paused", "stopping", "stopped", "done"]
BETWEEN = 0.1  # seconds between reports of progress; each may paint a gallery
ENOUGH = 0.03  # of the work, after which the time left can be told


@dataclass(frozen=True, eq=False)
class Plan:
    """What to sweep: the arguments of `run_sweep`."""

    model: VisionModel
    layer: str
    unit: int
    settings: tuple[Regularization, ...]
    options: Options = field(default_factory=dict)  # type: ignore[assignment]


class SweepJob:
    """Runs plans, the newest only. Every method may be called from any thread, and returns at once except `close`.

    Args:
        on_change: called when there is something new to show, on whatever thread.
        on_error: called with what ended a sweep before its time.
    """

    def __init__(self, on_change: Callable[[], Any], on_error: Callable[[Exception], Any]) -> None:
        self._on_change, self._on_error = on_change, on_error
        self._turn = threading.Condition()
        self._worker: Worker[Plan] = Worker(self._run, self._fail, "sweep")
        self._state: State = "idle"
        self._plan: Plan | None = None
        self._results: tuple[Result, ...] = ()
        self._forming: Step | None = None
        self._worked = self._told = 0.0

    @property
    def state(self) -> State:
        """What it does."""
        return self._state

    @property
    def results(self) -> tuple[Result, ...]:
        """What is finished, in the order of the settings."""
        return self._results

    @property
    def forming(self) -> Step | None:
        """The pictures under way, which come after the results; None where there are none."""
        return self._forming

    @property
    def total(self) -> int:
        """How many there will be."""
        return len(self._plan.settings) if self._plan else 0

    @property
    def share(self) -> float:
        """How much of the work is done, 0..1."""
        with self._turn:
            steps = self._plan.options.get("steps", 200) if self._plan else 1
            under_way = len(self._forming.scores) * self._forming.index / steps if self._forming else 0.0
            return min(1.0, (len(self._results) + under_way) / max(1, self.total))

    @property
    def seconds(self) -> float:
        """How long it has worked, pauses left out."""
        return self._worked

    @property
    def seconds_left(self) -> float | None:
        """How long it will take at the present rate; None while that cannot be told."""
        share = self.share
        return self._worked * (1 - share) / share if share > ENOUGH else None

    def start(self, plan: Plan) -> None:
        """Begin; what was under way is let go, and its results with it."""
        with self._turn:
            self._plan, self._state, self._results, self._forming, self._worked = plan, "running", (), None, 0.0
            self._turn.notify_all()
        self._on_change()
        self._worker.put(plan)

    def pause(self) -> None:
        """Hold before the next step."""
        self._become("paused", "running")

    def resume(self) -> None:
        """Go on."""
        self._become("running", "paused")

    def stop(self) -> None:
        """End now. The pictures under way are measured as far as they are, and kept with those before."""
        self._become("stopping", "running", "paused")

    def close(self) -> None:
        """End the thread, and wait for that."""
        with self._turn:
            self._plan, self._state = None, "idle"
            self._turn.notify_all()
        self._worker.close()

    def _become(self, state: State, *before: State) -> None:
        with self._turn:
            if self._state not in before:
                return
            self._state = state
            self._turn.notify_all()
        self._on_change()

    def _run(self, plan: Plan) -> None:
        clock = _Clock()
        sweep = run_sweep(
            plan.model, plan.layer, plan.unit, plan.settings, on_step=lambda step: self._step(plan, step, clock), **plan.options
        )
        for result in sweep:
            with self._turn:
                if self._plan is not plan:
                    return
                self._results, self._forming, self._worked = (*self._results, result), None, clock.time
            self._tell()
        with self._turn:
            if self._plan is not plan:
                return
            self._state = "stopped" if self._state == "stopping" else "done"
            self._forming = None
        self._on_change()

    def _step(self, plan: Plan, step: Step, clock: _Clock) -> bool:
        with self._turn:
            if self._plan is plan:
                self._forming, self._worked = step, clock.time
        self._tell()
        with self._turn:
            before = time.monotonic()
            self._turn.wait_for(lambda: self._plan is not plan or self._state != "paused")
            clock.skip(time.monotonic() - before)
            return self._plan is plan and self._state == "running"

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told > BETWEEN:
            self._told = now
            self._on_change()

    def _fail(self, plan: Plan, error: Exception) -> None:
        with self._turn:
            if self._plan is not plan:
                return
            self._state, self._forming = "stopped", None
        self._on_error(error)
        self._on_change()


class _Clock:
    """Counts the seconds since it was made, but for those skipped."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def time(self) -> float:
        return time.monotonic() - self._began

    def skip(self, seconds: float) -> None:
        self._began += seconds
