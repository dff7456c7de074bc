"""Colour maps as 256 colours each, so that the browser can colour bytes by itself."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap

# Perceptually uniform, zero dark; and diverging, zero neutral. The toolbox's own red and green is there for who wants it, but
# not first: many cannot tell the two apart.
SEQUENTIAL = ("inferno", "viridis", "magma", "cividis", "gray", "turbo")
DIVERGING = ("berlin", "managua", "RdBu_r", "coolwarm", "PuOr", "red-green")


def palette(name: str) -> bytes:
    """The colours of a map, (256, 3) uint8 as bytes, from lowest to highest.

    Raises:
        ValueError: matplotlib has no such map, and neither have we.
    """
    if name != "red-green" and name not in colormaps:
        some = ", ".join(SEQUENTIAL)
        raise ValueError(f"no colour map is called {name!r}; give 'red-green' or one of matplotlib's, e.g. {some}")
    chosen: Colormap = _red_green() if name == "red-green" else colormaps[name]
    colours = np.asarray(chosen(np.linspace(0, 1, 256)))[:, :3]
    return bytes(np.rint(colours * 255).astype(np.uint8))


def _red_green() -> Colormap:
    return LinearSegmentedColormap.from_list("red-green", ["red", "black", "lime"])
