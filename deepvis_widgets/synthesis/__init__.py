"""Pictures that units respond to, made by gradient ascent under priors."""

from .ascent import ascend
from .climb import End, Step
from .ladders import ladder, plane, random_settings
from .presets import PRESETS, Preset
from .results import Result, Sweep
from .settings import PARAMETERS, Regularization, Settings
from .step_sizes import Constant, Distance, Progress, Progress01, StepSize
from .sweep import run_sweep, sweep
from .visualization import Visualization, visualize

__all__ = [
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
    "StepSize",
    "Sweep",
    "Visualization",
    "ascend",
    "ladder",
    "plane",
    "random_settings",
    "run_sweep",
    "sweep",
    "visualize",
]
