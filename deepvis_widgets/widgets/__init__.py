"""What a person touches."""

from .activation_grid import ActivationGrid
from .feature_optimizer import FeatureOptimizer
from .frame_pump import Camera, Frame, FramePump
from .regularization_lab import RegularizationLab
from .toolbox import DeepVis

__all__ = ["ActivationGrid", "Camera", "DeepVis", "FeatureOptimizer", "Frame", "FramePump", "RegularizationLab"]
