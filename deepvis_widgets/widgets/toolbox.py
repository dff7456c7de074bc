"""DeepVis: a camera or a picture, the layers of a network, every unit of one of them, and what the network says."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import matplotlib as mpl
import numpy as np
import traitlets
from IPython.display import DisplayHandle, display

from deepvis_widgets.activations import Inspector, Layer, Prediction
from deepvis_widgets.live import LivePipeline
from deepvis_widgets.models import VisionModel, load
from deepvis_widgets.models.images import decode

from .activation_grid import ActivationGrid
from .frame_pump import Camera, Frame, FramePump
from .pixel_canvas import with_png

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

STATIC = Path(__file__).parent / "static"
SMOOTHING = 0.8  # of the range, from frame to frame: a camera's noise moves the maximum by a tenth, which is seen as flicker
BETWEEN = 0.2  # seconds between changes of the class names: nobody reads faster, and in between the pass ends at the layer
MANY = 512  # units; more tiles than that are too small to see anything in at first sight


class Toolbar(anywidget.AnyWidget):
    """The network's name and its layers, to choose one."""

    _esm = STATIC / "toolbox.js"
    _css = STATIC / "toolbox.css"
    name = traitlets.Unicode().tag(sync=True)
    groups: traitlets.List[Any] = traitlets.List().tag(sync=True)
    layer = traitlets.Unicode().tag(sync=True)


class Predictions(anywidget.AnyWidget):
    """The most probable classes, as bars."""

    _esm = STATIC / "predictions.js"
    _css = STATIC / "predictions.css"
    items: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _last: tuple[dict[str, Any], ...] = ()
    _sent = 0.0

    @property
    def due(self) -> bool:
        """Whether the last ones have been on the screen for long enough to be read."""
        return time.monotonic() - self._sent > BETWEEN

    def show(self, predictions: Sequence[Prediction], *, keep: bool) -> None:
        """Show them; ``keep`` also stores them in the widget's state."""
        self._last = tuple({"label": prediction.label, "probability": prediction.probability} for prediction in predictions)
        self._sent = time.monotonic()
        if keep:
            self.keep()
        else:
            self.send({"kind": "predictions", "items": list(self._last)})

    def keep(self) -> None:
        """Store what is shown now in the widget's state."""
        self.items = list(self._last)


class DeepVis(ipywidgets.Box):
    """Look into a network, live. ``DeepVis()`` shows the bundled one.

    Args:
        model: from `deepvis_widgets.load` or `deepvis_widgets.wrap`; the bundled network unless given.
        source: what the network sees: an ipywebrtc stream, or a picture (a path, bytes, a PIL image, an array). The user's
            camera unless given, one press away, and a sample picture until then.
        layer: which layer to show first.

    Attributes:
        grid: the `ActivationGrid`; its ``unit`` is the selected one.
        pump: the `FramePump`.
        pipeline: the `LivePipeline`.
    """

    _parts: tuple[ipywidgets.Widget, ...] = ()  # until it is made: what was only begun is closed as well

    def __init__(self, model: VisionModel | None = None, *, source: Any = None, layer: str | None = None) -> None:
        model = load("caffenet-mini") if model is None else model
        stream = source if isinstance(source, ipywidgets.DOMWidget) else None
        inspector = Inspector(model)
        self.pipeline = LivePipeline(model, layer or default_layer(inspector), smoothing=SMOOTHING, inspector=inspector)
        self.pump = FramePump(model.input_size[1:], stream or Camera())
        self.pump.margin = model.margin
        self.grid = ActivationGrid()
        self.predictions = Predictions()
        groups = [[_entry(layer, group[0]) for layer in group] for group in inspector.outline]
        self.toolbar = Toolbar(name=model.name, groups=groups, layer=self.pipeline.layer)
        self._parts = (self.pump, self.grid, self.predictions, self.toolbar)
        self._frame: Frame | None = None
        self._displays: list[DisplayHandle] = []
        side = ipywidgets.Box([self.pump, self.predictions]).add_class("dv-side")
        super().__init__([self.toolbar, side, self.grid])
        self.add_class("dv-toolbox")
        self._connect()
        self._use_layer()
        self.look(sample() if source is None or stream is not None else source)
        self.grid.select_strongest()

    @property
    def layer(self) -> str:
        """The layer shown; set it by name."""
        return self.pipeline.layer

    @layer.setter
    def layer(self, name: str) -> None:
        self.pipeline.inspector.layer(name)  # raises before anything changes
        self.toolbar.layer = name

    def look(self, picture: Any) -> None:
        """Show a picture instead of the camera: a path, bytes, a PIL image or an array.

        Raises:
            ImageError: it cannot be used; what was shown stays.
        """
        decoded = decode(picture, 3)
        self.pump.running = False
        self.pump.show(decoded)
        self._step(Frame(np.asarray(decoded), 0, 0.0, 0, held=True))

    def close(self) -> None:
        """End the camera and the thread, and remove everything from the page."""
        for widget in self._parts:
            widget.close()
        super().close()

    def picture(self) -> Image.Image | None:
        """The maps shown now, as one picture."""
        return self.grid.picture()

    def _connect(self) -> None:
        self.pump.on_frame(self._step)
        self.pump.observe(lambda _change: self._keep(), "state")
        self.toolbar.observe(lambda _change: self._use_layer(), "layer")
        self.grid.observe(lambda change: setattr(self.pipeline, "tile", max(1, change["new"])), "tile")

    def _step(self, frame: Frame) -> None:
        self._frame = frame
        predict = frame.held or self.predictions.due
        result = self.pipeline.step(frame.pixels, predict=predict)
        self.grid.show(
            result,
            result.layer,
            keep=frame.held,
            sequence=frame.sequence,
            captured=frame.captured,
            dropped=frame.dropped,
        )
        if predict:
            self.predictions.show(result.predictions, keep=frame.held)

    def _keep(self) -> None:
        """Store what is shown: in the widgets' state and, when the stream has stopped, in the notebook's own output."""
        self.grid.keep()
        if self._frame is not None and self.pump.state == "stopped":
            with contextlib.suppress(Exception):  # the pump has told already what the network says of this frame
                self.predictions.show(self.pipeline.predict(self._frame.pixels), keep=True)
        for shown in self._displays if self.pump.state == "stopped" else ():
            shown.update(self._repr_mimebundle_(), raw=True)

    def _use_layer(self) -> None:
        """Another layer: the next frame shows it, and where none comes the last one is shown again."""
        self.pipeline.layer = self.toolbar.layer
        self.grid.describe(self.pipeline.inspector.layer(self.toolbar.layer), self.pipeline.model.labels)
        if self._frame is not None and (self.pump.state != "live" or self.pump.frozen):
            self._step(replace(self._frame, held=True))

    def _ipython_display_(self) -> None:
        self._displays.append(display(self._repr_mimebundle_(), raw=True, display_id=True))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_png(super()._repr_mimebundle_(**kwargs), self.picture())


def sample() -> Path:
    """A picture that everyone has: Grace Hopper, as matplotlib ships her."""
    return Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"


def default_layer(inspector: Inspector) -> str:
    """The deepest of the listed layers whose maps still show where something is: conv5 of caffenet-mini."""
    listed = [group[0] for group in inspector.outline]
    spatial = [layer for layer in listed if len(layer.shape) == 3 and min(layer.shape[1:]) >= 6 and layer.units <= MANY]
    return (spatial or listed)[-1].name


def _entry(layer: Layer, main: Layer) -> dict[str, str]:
    inside = layer.name.removeprefix(main.path + ".") if layer is not main else layer.name
    return {"name": layer.name, "text": inside, "title": f"{layer.name}: {layer.kind}, {'×'.join(map(str, layer.shape))}"}
