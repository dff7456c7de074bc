"""See what a neural network does: live activations, and pictures that units prefer, in the notebook."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .activations import Inspector, Layer, Prediction, ReceptiveField, Unit
    from .live import GridFrame, LivePipeline
    from .models import ImageError, VisionModel, WeightsError, list_models, load, wrap
    from .synthesis import (
        PARAMETERS,
        PRESETS,
        Constant,
        Distance,
        End,
        Preset,
        Progress,
        Progress01,
        Regularization,
        Result,
        Settings,
        Step,
        Sweep,
        Visualization,
        ascend,
        ladder,
        plane,
        random_settings,
        run_sweep,
        sweep,
        visualize,
    )
    from .widgets import ActivationGrid, Camera, DeepVis, FeatureOptimizer, FramePump, RegularizationLab

__all__ = [
    "PARAMETERS",
    "PRESETS",
    "ActivationGrid",
    "Camera",
    "Constant",
    "DeepVis",
    "Distance",
    "End",
    "FeatureOptimizer",
    "FramePump",
    "GridFrame",
    "ImageError",
    "Inspector",
    "Layer",
    "LivePipeline",
    "Prediction",
    "Preset",
    "Progress",
    "Progress01",
    "ReceptiveField",
    "Regularization",
    "RegularizationLab",
    "Result",
    "Settings",
    "Step",
    "Sweep",
    "Unit",
    "VisionModel",
    "Visualization",
    "WeightsError",
    "ascend",
    "ladder",
    "list_models",
    "load",
    "plane",
    "random_settings",
    "run_sweep",
    "sweep",
    "visualize",
    "wrap",
]

# Imported when first asked for: `import deepvis_widgets` costs milliseconds, and a GPU node needs no ipywidgets.
ROOMS = {
    "activations": ("Inspector", "Layer", "Prediction", "ReceptiveField", "Unit"),
    "live": ("GridFrame", "LivePipeline"),
    "models": ("ImageError", "VisionModel", "WeightsError", "list_models", "load", "wrap"),
    "plots": (),
    "synthesis": (
        "PARAMETERS",
        "PRESETS",
        "Constant",
        "Distance",
        "End",
        "Preset",
        "Progress",
        "Progress01",
        "Regularization",
        "Result",
        "Settings",
        "Step",
        "Sweep",
        "Visualization",
        "ascend",
        "ladder",
        "plane",
        "random_settings",
        "run_sweep",
        "sweep",
        "visualize",
    ),
    "widgets": ("ActivationGrid", "Camera", "DeepVis", "FeatureOptimizer", "FramePump", "RegularizationLab"),
}
ROOM_OF = {name: room for room, names in ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in ROOMS:
        return import_module(f".{name}", __name__)
    if name not in ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{ROOM_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
