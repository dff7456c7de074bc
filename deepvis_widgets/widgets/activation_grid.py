"""ActivationGrid: every unit of a layer, one tile each, on one canvas updated in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from PIL import Image

from deepvis_widgets.activations.heatmaps import Heatmaps, mosaic

from .colormaps import DIVERGING, SEQUENTIAL, palette
from .pixel_canvas import PixelCanvas

if TYPE_CHECKING:
    from deepvis_widgets.activations import Layer


class ActivationGrid(PixelCanvas):
    """A canvas of heat maps. Tiling, colours, gamma, boost and selection happen in the browser.

    Attributes:
        unit: the selected unit, -1 for none; set it, or observe it.
        colormap: for maps without negative values; any name that matplotlib knows.
        signed_colormap: for maps with negative values, zero in the middle.
        gamma: 0.2..2; below 1 lifts weak activations.
        boost: 0..1; how far each unit uses its own range instead of the layer's.
        tile: how many pixels a tile has on the screen; larger maps may be averaged down to it.
    """

    colormap = traitlets.Unicode(SEQUENTIAL[0]).tag(sync=True)
    signed_colormap = traitlets.Unicode(DIVERGING[0]).tag(sync=True)
    gamma = traitlets.Float(1.0, min=0.2, max=2.0).tag(sync=True)
    boost = traitlets.Float(0.0, min=0.0, max=1.0).tag(sync=True)
    tile = traitlets.Int(256).tag(sync=True)
    shape = traitlets.List(traitlets.Int(), default_value=[0, 0, 0]).tag(sync=True)
    unit_labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    palettes = traitlets.Dict().tag(sync=True)
    sequential = traitlets.List(traitlets.Unicode(), default_value=list(SEQUENTIAL)).tag(sync=True)
    diverging = traitlets.List(traitlets.Unicode(), default_value=list(DIVERGING)).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(palettes={name: palette(name) for name in (*SEQUENTIAL, *DIVERGING)}, **traits)

    @traitlets.validate("colormap", "signed_colormap")
    def _known(self, proposal: dict[str, Any]) -> str:
        """A map that the browser does not have yet is sent to it first."""
        name = str(proposal["value"])
        if name not in self.palettes:
            colours = palette(name)
            kind = "sequential" if proposal["trait"].name == "colormap" else "diverging"
            self.palettes = {**self.palettes, name: colours}
            setattr(self, kind, [*getattr(self, kind), name])
        return name

    def describe(self, layer: Layer, labels: tuple[str, ...] | None = None) -> None:
        """Say what layer is shown from now on; ``labels`` names its units, if there are as many."""
        field = layer.receptive_field
        maps = "×".join(str(side) for side in layer.shape[1:])
        sees = "" if field is None else "sees the whole picture" if not any(field.stride) else f"sees {max(field.size)} px"
        parts = [layer.name, f"{layer.units} units", maps, sees]
        with self.hold_sync():
            self.caption = " · ".join(part for part in parts if part)
            self.shape = list(layer.shape) if len(layer.shape) == 3 else [layer.units, 1, 1]
            self.unit_labels = list(labels) if labels is not None and len(labels) == layer.units else []
            self.unit = min(self.unit, layer.units - 1)

    def show(
        self, heatmaps: Heatmaps, layer: str, *, keep: bool = True, sequence: int = 0, captured: float = 0.0, dropped: int = 0
    ) -> None:
        """Show a layer's maps.

        Args:
            heatmaps: the maps.
            layer: the name of the layer.
            keep: also store them in the widget's state, for a view that comes later and for a saved notebook. Live frames
                are not stored one by one; call `keep` when they stop.
            sequence: the number of the frame they were made from.
            captured: when the browser took that frame, in milliseconds of its clock.
            dropped: how many of the camera's frames were skipped so far.
        """
        units, height, width = heatmaps.maps.shape
        header = {"units": units, "height": height, "width": width, "low": heatmaps.low, "high": heatmaps.high}
        header |= {"signed": heatmaps.signed, "invalid": heatmaps.invalid_count, "layer": layer}
        header |= {"sequence": sequence, "captured": captured, "dropped": dropped}
        arrays = [heatmaps.maps] if heatmaps.invalid is None else [heatmaps.maps, heatmaps.invalid.view(np.uint8)]
        self._put("maps", heatmaps, header, arrays, keep=keep)

    def select_strongest(self) -> None:
        """Select the unit with the highest activation shown."""
        if self._last is not None:
            self.unit = int(self._last[0].maps.max(axis=(1, 2)).argmax())

    def picture(self) -> Image.Image | None:
        """What is shown, as a picture; None before anything is."""
        if self._last is None:
            return None
        heatmaps = self._last[0]
        name = self.signed_colormap if heatmaps.signed else self.colormap
        colours = np.frombuffer(self.palettes[name], np.uint8).reshape(256, 3)
        return Image.fromarray(mosaic(heatmaps, colours, boost=self.boost, gamma=self.gamma))
