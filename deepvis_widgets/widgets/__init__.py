"""What a person touches."""

from .activation_grid import ActivationGrid
from .frame_pump import Camera, Frame, FramePump
from .toolbox import DeepVis

__all__ = ["ActivationGrid", "Camera", "DeepVis", "Frame", "FramePump"]
