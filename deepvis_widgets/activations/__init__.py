"""What every layer of a network computes."""

from .inspector import Inspector, Prediction
from .layers import Layer, Unit
from .receptive_field import ReceptiveField

__all__ = ["Inspector", "Layer", "Prediction", "ReceptiveField", "Unit"]
