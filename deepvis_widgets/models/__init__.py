"""A network together with what it takes to look at it."""

from .images import ImageError
from .torchvision_zoo import WeightsError, list_models, load
from .vision_model import VisionModel, wrap

__all__ = ["ImageError", "VisionModel", "WeightsError", "list_models", "load", "wrap"]
