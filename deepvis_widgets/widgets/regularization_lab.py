"""RegularizationLab: many settings side by side, with measured scores, to choose from by looking and by numbers."""

from __future__ import annotations

import math
import tempfile
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ipywidgets
import numpy as np
import traitlets
from IPython.display import DisplayHandle, display

from deepvis_widgets.activations import Inspector
from deepvis_widgets.live.searches import Search, declared
from deepvis_widgets.live.sweeping import Plan, SweepJob
from deepvis_widgets.models import load
from deepvis_widgets.synthesis import PRESETS, Regularization, Result, Sweep
from deepvis_widgets.synthesis.display import render

from .composite import inside, told
from .exports import Exports
from .feature_optimizer import FeatureOptimizer, default_layer
from .lab_panel import AS_SWEPT, LabPanel
from .lab_panes import FigurePane, PickedPane, written
from .picture_grid import PictureGrid
from .pixel_canvas import with_png
from .sliders import Sliders
from .typed import read_unit, unit_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from PIL import Image

    from deepvis_widgets.models import VisionModel

STEPS = 100  # of each picture: enough to tell settings apart, and a ladder is there in seconds
FINISHED = ("done", "stopped")


class Steered(Protocol):
    """What takes over a setting: a `FeatureOptimizer`."""

    model: VisionModel
    regularization: Regularization


class RegularizationLab(ipywidgets.Box):
    """Tries many strengths of the priors on one unit, and shows what comes of each, with scores.

    A ladder varies one prior (Yosinski et al. 2015, figure 3), a plane two, a random search all of them; the sliders say how
    strong the others are. ``RegularizationLab()`` takes the bundled network.

    Args:
        model: from `deepvis_widgets.load` or `deepvis_widgets.wrap`; the optimiser's or the bundled network unless given.
        layer: which layer; the optimiser's unless given, or else the class scores, or, where there are none, the deepest layer
            with maps.
        unit: which of its units; the optimiser's, or else the first, unless given.
        optimizer: a `FeatureOptimizer`, whose sliders can then take over a setting that was found here.

    Attributes:
        picked: the `Regularization` of the selected picture, None while there is none; observe it.
        panel: the controls.
        selected: the picture selected, with its numbers.
        figure: of score against strength.
        sliders: the base.
        gallery: the pictures.
        job: the sweep under way or done.
    """

    picked = traitlets.Instance(Regularization, allow_none=True)

    def __init__(
        self,
        model: VisionModel | None = None,
        layer: str | None = None,
        unit: int | None = None,
        optimizer: Steered | None = None,
    ) -> None:
        known = optimizer.model if model is None and optimizer is not None else model
        self.model = load("caffenet-mini") if known is None else known
        self.optimizer = optimizer
        self._inspector = Inspector(self.model)
        self._preset = PRESETS["smooth"].at(self.model.input_size[1:])
        self._lock = threading.RLock()
        self._search: Search | None = None
        self._layer = ""  # of that search
        self._shown: tuple[Result, ...] = ()
        self._picked: Result | None = None
        self._drawn: dict[Result, NDArray[np.uint8]] = {}
        self._displays: list[DisplayHandle] = []
        self._page = False
        self.job = SweepJob(self._refresh, self.tell)
        run = optimizer.optimization if isinstance(optimizer, FeatureOptimizer) and optimizer.model is self.model else None
        if run is not None and layer in (None, run.layer):
            layer, unit = run.layer, run.unit if unit is None and isinstance(run.unit, int) else unit
        chosen = self._inspector.layer(layer or default_layer(self._inspector))
        names = [entry.name for group in self._inspector.outline for entry in group]
        self.panel = LabPanel(self._ordered, title=self.model.name, layers=names, layer=chosen.name, steps=STEPS)
        self.sliders = Sliders(values=self._preset.regularization.values())
        self.gallery, self.exports = PictureGrid(), Exports()
        self._make()
        self._name_units(unit or 0)
        self._connect()
        self._refresh()

    @property
    def sweep(self) -> Sweep:
        """The results that the gallery shows, in its order."""
        return Sweep(self._shown)

    @property
    def result(self) -> Result | None:
        """The selected one."""
        return self._shown[self.gallery.unit] if 0 <= self.gallery.unit < len(self._shown) else None

    def run(self) -> None:
        """Search as the controls say; results of a search before are let go.

        Raises:
            ValueError: something that was set cannot be; nothing was changed.
        """
        panel = self.panel
        search = Search(
            panel.mode, Regularization(**self.sliders.values), declared(panel.first), declared(panel.second), panel.rungs,
            panel.side, panel.count, panel.seed,
        )  # fmt: skip
        layer = self._inspector.layer(panel.layer)
        unit = read_unit(panel.unit, layer, panel.unit_names)
        options: Any = {
            "step_size": self._preset.step_size,
            "steps": panel.steps,
            "parameterization": self._preset.parameterization,
        }
        plan = Plan(self.model, layer.name, unit, search.settings(), options)
        with self._lock:
            self._search, self._layer, self._drawn = search, layer.name, {}
            self.gallery.unit = -1
            self.panel.message = self.panel.details = ""
            if search.mode != "random":
                self.figure.against.value = search.first.name
        self.job.start(plan)

    def picture(self) -> Image.Image | None:
        """The gallery, as one picture."""
        return self.gallery.picture()

    def tell(self, error: Exception) -> None:
        """Say in the widget what went wrong."""
        ours = isinstance(error, ValueError)
        text = str(error) if ours else f"The search has ended: {type(error).__name__}: {error}. What was finished is kept"
        with self.panel.hold_sync():
            self.panel.details = "" if ours else "".join(traceback.format_exception(error))
            self.panel.message = f"{text.rstrip('.')}."

    def close(self) -> None:
        """End the thread, and remove everything from the page."""
        self.job.close()
        for widget in list(inside(self)):
            widget.close()
        super().close()

    def _make(self) -> None:
        def button(text: str, title: str, press: Callable[[], Any]) -> ipywidgets.Button:
            made = ipywidgets.Button(description=text, tooltip=title)
            made.on_click(lambda _button: self._press(press))
            return made

        use = button("Use in the optimiser", "The optimiser's sliders take these strengths", self._use)
        use.layout.display = None if self.optimizer is not None else "none"
        rebase = button("Use as base", "The sliders below take these strengths", self._rebase)
        files = [
            button("CSV", "Settings and scores of the pictures shown", lambda: self._save("csv")),
            button("Contact sheet", "The pictures shown, with their settings", lambda: self._save("png")),
            button("Figure", "The figure, as an SVG", lambda: self._save("svg")),
        ]
        self.selected = PickedPane(use, rebase)
        saves = ipywidgets.Box(files).add_class("dv-buttons")
        self.figure = FigurePane(self.panel.first, lambda: self._press(self._draw), saves, self.exports)
        super().__init__([self.panel, self.gallery, self.selected, self.sliders, self.figure])
        self.add_class("dv-lab")

    def _connect(self) -> None:
        self.panel.observe(lambda _change: self._press(self._name_units), "layer")
        self.panel.observe(lambda _change: self._press(self._refresh), ["sort", "descending", "filters"])
        self.gallery.observe(lambda _change: self._press(self._pick), "unit")

    @told
    def _press(self, what: Callable[[], Any]) -> None:
        what()

    @told
    def _ordered(self, order: str) -> None:
        """What the page asks for."""
        self._page = True
        orders = {"run": self.run, "pause": self.job.pause, "resume": self.job.resume, "stop": self.job.stop}
        if order in orders:
            orders[order]()

    def _name_units(self, unit: int = 0) -> None:
        """The units of the layer chosen have names where they are classes."""
        names = unit_names(self._inspector.layer(self.panel.layer), self.model.labels)
        self.panel.unit_names = names
        self.panel.unit = names[unit] if 0 <= unit < len(names) else str(unit)

    def _refresh(self) -> None:
        """Show what there is now: called from the sweep's thread while it runs, and when the user sorts or filters."""
        with self._lock:
            job, search = self.job, self._search
            self._progress()
            finished = job.state not in ("running", "stopping")
            if not finished and not self.gallery.ready:
                return
            picked, self._shown = self.result, self._sorted(job.results).results
            rows = [(self._image(result), self._label(result)) for result in self._shown]
            rows += [(image, self._setting(setting)) for image, setting in self._forming()]
            sizes = self.model.input_size[1:]
            images = np.stack([image for image, _ in rows]) if rows else np.zeros((0, *sizes, 3), np.uint8)
            plain = self.panel.sort == AS_SWEPT and not self.panel.filters
            places = job.total if plain or job.state == "running" else len(rows)
            self.gallery.show(
                images, [label for _, label in rows], search.caption if search else "run a search to fill this gallery",
                keep=finished, places=places or self.panel.rungs, columns=search.columns if search and plain else 0,
            )  # fmt: skip
            if picked is not None:  # it is where it is now, or gone
                self.gallery.unit = self._shown.index(picked) if picked in self._shown else -1
            self._pick()
            self.panel.shown = f"{len(self._shown)} of {len(job.results)} shown" if job.results else ""
            if job.state in FINISHED:
                self._draw()
                for shown in () if self._page else self._displays:  # a page shows it already
                    shown.update(self._repr_mimebundle_(), raw=True)

    def _sorted(self, results: tuple[Result, ...]) -> Sweep:
        found = Sweep(results).where(**{name: tuple(pair) for name, pair in self.panel.filters.items()})
        return found if self.panel.sort == AS_SWEPT else found.ranked(self.panel.sort, descending=self.panel.descending)

    def _progress(self) -> None:
        job, panel = self.job, self.panel
        left = job.seconds_left
        time = {
            "running": "" if left is None else f"{math.ceil(left)} s left",
            "paused": "paused",
            "stopping": "measuring what is there",
            "stopped": f"stopped after {job.seconds:.1f} s",
            "done": f"done in {job.seconds:.1f} s",
        }.get(job.state, "")
        with panel.hold_sync():
            panel.state, panel.share = job.state, round(job.share, 3)
            panel.note = " · ".join(part for part in (f"{len(job.results)} of {job.total}" if job.total else "", time) if part)

    def _forming(self) -> Iterator[tuple[NDArray[np.uint8], Regularization]]:
        """The pictures under way, and what they are made with."""
        step = self.job.forming
        if step is not None:
            settings = step.settings.regularizations(len(step.x))
            yield from zip(render(step.x, shared=False), settings, strict=True)

    def _image(self, result: Result) -> NDArray[np.uint8]:
        """(H, W, C); rendered once."""
        if result not in self._drawn:
            self._drawn[result] = render(result.x[None], shared=False)[0]
        return self._drawn[result]

    def _label(self, result: Result) -> str:
        setting = self._setting(result.regularization)
        score = self.panel.sort if self.panel.sort != AS_SWEPT else "" if setting else "activation"
        number = written(result.value(score)) if score else ""
        failed = "failed" if result.end.reason == "not finite" or math.isnan(result.activation) else ""
        return " · ".join(part for part in (failed, number, setting) if part)

    def _setting(self, setting: Regularization) -> str:
        return self._search.label(setting) if self._search else ""

    def _pick(self) -> None:
        """The selected picture, large, with all its numbers."""
        with self._lock:
            result = self.result
            if result is self._picked:
                return
            self._picked = result
        self.picked = result.regularization if result else None
        if result:
            self.selected.show(result, self._image(result), self._setting(result.regularization))
        else:
            self.selected.clear()

    def _use(self) -> None:
        if self.picked is not None and self.optimizer is not None:
            self.optimizer.regularization = self.picked

    def _rebase(self) -> None:
        if self.picked is not None:
            self.sliders.values = self.picked.values()

    def _draw(self) -> None:
        if self.job.state in FINISHED:
            self.figure.show(self.job.results)

    def _save(self, kind: str) -> None:
        """A file for the user's own computer."""
        if not self._shown:
            raise ValueError("there is no result to save: run a search first, or take filters away")
        name = f"{self.model.name}-{self._layer}-{self._shown[0].unit}.{kind}"
        if kind == "svg":
            self.exports.download(name, self.figure.plot(self.job.results, kind), "image/svg+xml")
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            save = self.sweep.save_csv if kind == "csv" else self.sweep.save_sheet
            save(path)
            self.exports.download(name, path.read_bytes(), {"csv": "text/csv", "png": "image/png"}[kind])

    def _ipython_display_(self) -> None:
        self._displays.append(display(self._repr_mimebundle_(), raw=True, display_id=True))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_png(super()._repr_mimebundle_(**kwargs), self.picture())
