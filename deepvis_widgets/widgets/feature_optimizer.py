"""FeatureOptimizer: the picture that a unit prefers forms on the screen, and sliders steer it while it does."""

from __future__ import annotations

import io
import threading
import time
import traceback
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ipywidgets
from IPython.display import DisplayHandle, display
from PIL import Image

from deepvis_widgets.activations import Inspector
from deepvis_widgets.live.optimization import Optimization
from deepvis_widgets.models import load
from deepvis_widgets.synthesis import PRESETS, Regularization, Settings
from deepvis_widgets.synthesis.display import render, render_unscaled, sheet
from deepvis_widgets.synthesis.parameterizations import parameterization
from deepvis_widgets.synthesis.starts import start_pictures

from .composite import inside, told
from .exports import Exports
from .keepsakes import Keepsakes, Kept
from .optimizer_controls import Choice, Controls
from .optimizer_words import Wording, advice
from .picture_grid import PictureGrid, enlarged
from .pixel_canvas import with_png
from .timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from deepvis_widgets.models import VisionModel
    from deepvis_widgets.synthesis import Step, Visualization

BUTTONS = {
    "run": ("▶ Run", "Run, or go on (space)"),
    "pause": ("❚❚ Pause", "Hold after this step (space)"),
    "step": ("▶❚ Step", "One step, then hold"),
    "restart": ("↺ Restart", "Start over from the same seeds (r)"),
    "stop": ("■ Stop", "End the run here"),
    "film": ("GIF", "The whole run as an animated picture"),
}
PAGE = 1.0  # seconds to wait for a first picture worth keeping, for where no widget can be shown
BETWEEN = 0.04  # seconds between pictures: no one sees more
REST = 0.3  # seconds that a slider must rest before the run starts over
FRAME_MS = 80


class FeatureOptimizer(ipywidgets.Box):
    """Makes the picture that a unit prefers, by gradient ascent under priors (Yosinski et al. 2015), and lets you steer it.

    ``FeatureOptimizer()`` takes the bundled network. It runs by itself when it is opened, and ends by itself.

    Args:
        model: from `deepvis_widgets.load` or `deepvis_widgets.wrap`; the bundled network unless given.
        layer: which layer; the class scores unless given, or, where there are none, the deepest layer with maps.
        unit: which of its units.
        position: None for the centre, "mean" for the whole channel, or row and column.
        preset: the settings to begin with, by name.
        steps: how many.
        seeds: how many starts, side by side: 1, 4 or 9.
        size: of the picture, (height, width); the network's own unless given.

    Attributes:
        optimization: the run, see `Optimization`; its ``visualization`` is the result.
        grid: the pictures.
        timeline: the scores, and the way back.
        keepsakes: what was kept.
        controls: everything that can be set.
    """

    def __init__(  # noqa: PLR0913 - how it opens
        self,
        model: VisionModel | None = None,
        layer: str | None = None,
        unit: int = 0,
        *,
        position: Any = None,
        preset: str = "smooth",
        steps: int = 200,
        seeds: int = 1,
        size: tuple[int, int] | None = None,
    ) -> None:
        self.model = load("caffenet-mini") if model is None else model
        inspector = Inspector(self.model)
        chosen = inspector.layer(layer or default_layer(inspector))
        start = PRESETS[preset].at(self.model.input_size[1:])
        self._choice = Choice(
            chosen.name, unit, position, tuple(range(seeds)), size or self.model.input_size[1:], start.parameterization,
            Settings(start.regularization, start.step_size), steps,
        )  # fmt: skip
        self.controls = Controls(inspector, self._choice, self._changed)
        self.grid, self.exports = PictureGrid(), Exports()
        self.timeline = Timeline(self._ordered)
        self.keepsakes = Keepsakes(self._kept, self._restore, self.exports)
        self._displays: list[DisplayHandle] = []
        self._page = self._closed = False
        self._over = threading.Event()
        self._last: Step | None = None
        self._times: deque[float] = deque(maxlen=30)
        self._sent = 0.0
        self._seen: Settings | None = None  # those of the last picture sent
        self.optimization = Optimization(
            self.model, chosen.name, unit, on_step=self._on_step, on_state=self._on_state, on_error=self.tell,
            **self._choice.options(),
        )  # fmt: skip
        self.buttons = {name: ipywidgets.Button(description=text, tooltip=title) for name, (text, title) in BUTTONS.items()}
        transport = ipywidgets.Box(list(self.buttons.values())).add_class("dv-buttons")
        picture = ipywidgets.Box([self.grid, transport, self.controls.contrast]).add_class("dv-picture")
        side = ipywidgets.Box([self.controls.side, self.timeline]).add_class("dv-side")
        super().__init__([self.controls.head, picture, side, self.keepsakes, self.exports])
        self.add_class("dv-optimizer")
        self._connect()
        self._begin()

    @property
    def regularization(self) -> Regularization:
        """What the sliders say; set it to move them, as a person would."""
        return Regularization(**self.controls.priors.values)

    @regularization.setter
    def regularization(self, strengths: Regularization) -> None:
        self.controls.priors.values = strengths.values()

    @property
    def visualization(self) -> Visualization:
        """What came of the run so far.

        Raises:
            ValueError: nothing has run yet.
        """
        return self.optimization.visualization

    def film(self) -> bytes:
        """The run as an animated GIF: the pictures that were kept of it, all seeds side by side.

        Raises:
            ValueError: nothing has run yet.
        """
        with self.optimization.lock:
            frames = [enlarged(Image.fromarray(sheet(self._render(still.step.x)))) for still in self.optimization.film]
        if not frames:
            raise ValueError("there is no picture yet: run it, or take a step")
        buffer = io.BytesIO()
        durations = [FRAME_MS] * (len(frames) - 1) + [10 * FRAME_MS]
        frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
        return buffer.getvalue()

    def picture(self) -> Image.Image | None:
        """What is shown now, as one picture."""
        return self.grid.picture()

    def tell(self, error: Exception) -> None:
        """Say in the widget what went wrong."""
        ours = isinstance(error, ValueError)
        text = str(error) if ours else f"The network could not be run: {type(error).__name__}: {error}. Run tries again"
        with self.timeline.hold_sync():
            self.timeline.details = "" if ours else "".join(traceback.format_exception(error))
            named = text.startswith(self.controls.layer.value)  # a layer's name is written as it is
            self.timeline.message = f"{text[:1] if named else text[:1].upper()}{text[1:].rstrip('.')}."

    def close(self) -> None:
        """End the thread, and remove everything from the page."""
        self._closed = True
        self.optimization.close()
        for widget in list(inside(self)):
            widget.close()
        super().close()

    def _connect(self) -> None:
        run = self.optimization
        pressed = {"run": run.run, "pause": run.pause, "step": run.step, "restart": run.restart, "stop": run.stop}
        pressed["film"] = lambda: self.exports.download(f"{self._wording.name}.gif".replace(":", "-"), self.film(), "image/gif")
        for name, button in self.buttons.items():
            button.on_click(lambda _button, name=name: self._press(pressed[name]))
        self.controls.contrast.observe(lambda _change: self._press(self._look), "values")
        self.grid.observe(lambda change: self._press(lambda: self._select(change["new"])), "unit")

    def _select(self, sample: int) -> None:
        self.timeline.selected = max(sample, 0)
        if self.optimization.state != "running":
            self._look()

    @told
    def _press(self, what: Callable[[], Any]) -> None:
        with self.optimization.lock:
            what()

    @told
    def _changed(self) -> None:
        """The user has set something."""
        with self.optimization.lock:
            self.timeline.message = self.timeline.details = ""
            self._use(self.controls.choice)

    @told
    def _ordered(self, order: str, number: int) -> None:
        """What the page asks for."""
        run = self.optimization
        with run.lock:
            if order == "hello":
                self._opened()
            elif order == "restart":
                run.restart()
            elif order == "go on" or (order == "run" and run.state != "running"):
                run.run()
            elif order == "run":
                run.pause()
            elif run.here is not None:
                indices = [still.index for still in run.film]
                at = indices.index(run.here.index) + number
                run.rewind(number if order == "scrub" else indices[min(max(at, 0), len(indices) - 1)])
                self._look()

    def _opened(self) -> None:
        """A page is there. The first sees the picture form; what a later one has missed, it is told."""
        first, self._page = not self._page, True
        if first and self.optimization.state == "done":
            self.optimization.restart()
        elif self._last is not None and self.optimization.state == "running":
            self._show(self._last, keep=True)
        else:
            self._look()

    def _use(self, choice: Choice, *, anew: bool = False) -> None:
        run, before, self._choice = self.optimization, self._choice, choice
        if anew or choice.task() != before.task():
            self._begin()
        else:
            if choice.settings != before.settings:
                run.settings = choice.settings
                if run.state == "done" or (run.state == "running" and self.controls.restarts):
                    run.restart(REST)
            if choice.steps != before.steps:
                run.steps = self.timeline.steps = choice.steps
                if run.state == "done" and choice.steps > before.steps:
                    run.run()
        self.controls.name_preset(choice)
        self.keepsakes.deselect(choice)

    def _begin(self) -> None:
        """Something else is to be made; its start is shown at once."""
        choice = self._choice
        parameters = parameterization(choice.parameterization, choice.size[1])
        start = start_pictures(parameters.start, choice.seeds, self.model, choice.size)
        with self.optimization.lock:
            self._last = None
            self.optimization.begin(choice.layer, choice.unit, **choice.options())
            self.timeline.clear(choice.steps, len(choice.seeds))
            self.grid.show(self._render(start), caption=self._caption)
            several = len(choice.seeds) > 1
            self.grid.unit = max(0, min(self.grid.unit, len(choice.seeds) - 1)) if several else -1
            self.optimization.run()

    def _on_step(self, step: Step) -> None:
        """On the worker: the numbers of every step, and as many pictures as can be seen."""
        self._last, now = step, time.monotonic()
        self._times.append(now)
        self.timeline.add(step.index, step.scores.tolist())
        steered = step.settings is not self._seen  # the first picture of a change is not to wait for the page's answers
        if now - self._sent >= (BETWEEN / 2 if steered else BETWEEN) and (steered or self.grid.ready):
            self._sent, self._seen = now, step.settings
            self._show(step, keep=False)

    def _on_state(self, state: str) -> None:
        if self._closed:
            return
        if state == "running":
            self._times.clear()
            self._over.clear()
            self.timeline.message, self.timeline.details, self.timeline.rewound = "", "", False
        elif state in ("paused", "done"):
            self._look()
        self.buttons["run"].disabled = state == "running"
        self.buttons["pause"].disabled = state != "running"
        self.buttons["stop"].disabled = state not in ("running", "paused")
        if state == "done":
            if self._last is not None:
                self.timeline.message = advice(self._last)
            self._over.set()
            for shown in () if self._page else self._displays:
                shown.update(self._repr_mimebundle_(), raw=True)

    def _look(self) -> None:
        """Show, for good, the picture where the run stands."""
        here = self.optimization.here
        if self.optimization.state == "running" and self._last is not None:
            self._show(self._last, keep=False)
        elif here is not None:
            self._show_picture(here.step, keep=True)
            rewound = here is not self.optimization.film.last
            self.timeline.look(here.index, self._words(here.step), rewound=rewound)

    def _show(self, step: Step, *, keep: bool) -> None:
        self._show_picture(step, keep=keep)
        self.timeline.tell(self._words(step), keep=keep)

    def _show_picture(self, step: Step, *, keep: bool) -> None:
        labels = [f"seed {seed}: {score:.2f}" for seed, score in zip(self._choice.seeds, step.scores.tolist(), strict=True)]
        self.grid.show(self._render(step.x), labels if len(labels) > 1 else (), self._caption, keep=keep)

    def _render(self, x: Tensor) -> NDArray[np.uint8]:
        contrast = self.controls.contrast.values["contrast"]
        return render(x, contrast=contrast) if contrast else render_unscaled(x, self.model.mean)

    def _words(self, step: Step) -> dict[str, str]:
        seconds = self._times[-1] - self._times[0] if len(self._times) > 1 else 0
        rate = (len(self._times) - 1) / seconds if seconds else 0
        return self._wording.of(step, max(self.grid.unit, 0), self.optimization.state, self.optimization.steps, rate)

    @property
    def _caption(self) -> str:
        return self._wording.caption(stretched=bool(self.controls.contrast.values["contrast"]))

    @property
    def _wording(self) -> Wording:
        return Wording(self._choice, self.controls.inspector)

    def _kept(self) -> Kept:
        with self.optimization.lock:
            here = self.optimization.here
            if here is None:
                raise ValueError("there is no picture to keep yet; wait for the first step")
            return Kept(
                sheet(self._render(here.step.x)), self._wording.title, tuple(here.step.scores.tolist()),
                replace(self._choice, settings=here.step.settings), self.optimization.recipe(here), self.model.name,
            )  # fmt: skip

    @told
    def _restore(self, kept: Kept) -> None:
        if kept.choice != self._choice:
            with self.optimization.lock:
                self.controls.choice = kept.choice
                self._use(kept.choice, anew=True)

    def _ipython_display_(self) -> None:
        self._over.wait(PAGE)
        self._displays.append(display(self._repr_mimebundle_(), raw=True, display_id=True))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_png(super()._repr_mimebundle_(**kwargs), self.picture())


def default_layer(inspector: Inspector) -> str:
    """The class scores before any softmax; in a network without classes the deepest layer with maps."""
    labels = inspector.model.labels or ()
    classes = [layer for layer in inspector.layers if layer.shape == (len(labels),) and "softmax" not in layer.kind.lower()]
    maps = [layer for layer in inspector.layers if len(layer.shape) == 3]
    return (classes or maps or inspector.layers)[-1].name
