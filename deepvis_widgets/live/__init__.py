"""Moving pictures without widgets."""

from .pipeline import GridFrame, LivePipeline

__all__ = ["GridFrame", "LivePipeline"]
