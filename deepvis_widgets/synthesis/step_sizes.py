"""How far to go uphill: the toolbox's three policies."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Protocol


class StepSize(Protocol):
    """A policy: one number a step and sample."""

    def rate(self, squared_norm: float, score: float) -> float:
        """What the gradient is multiplied by.

        Args:
            squared_norm: of the gradient of one sample, above 0.
            score: of that sample.
        """
        ...


@dataclass(frozen=True)
class _Positive:
    """A policy's parameters: all of them finite and above 0."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int | float) or not (0 < value < math.inf):
                raise ValueError(f"{type(self).__name__}.{field.name} must be a finite number above 0, not {value!r}")


@dataclass(frozen=True)
class Constant(_Positive):
    """The same rate at every step, in the 0..255 space."""

    lr: float

    def rate(self, _squared_norm: float, _score: float) -> float:
        """Always `lr`."""
        return self.lr


@dataclass(frozen=True)
class Progress(_Positive):
    """As far as a linear objective would need to rise by ``desired``, but at most ``max_lr``."""

    desired: float
    max_lr: float

    def rate(self, squared_norm: float, _score: float) -> float:
        """The rise over the squared norm."""
        return min(self.max_lr, self.desired / squared_norm)


@dataclass(frozen=True)
class Progress01(_Positive):
    """`Progress` for probabilities: by ``early``, but toward 1 only by the fraction ``late_mult`` of what is left."""

    early: float
    late_mult: float
    max_lr: float

    def rate(self, squared_norm: float, score: float) -> float:
        """Never negative, also where rounding has put the score above 1."""
        wanted = min(self.early, self.late_mult * max(1 - score, 0.0))
        return min(self.max_lr, wanted / squared_norm)


@dataclass(frozen=True)
class Distance(_Positive):
    """The same way every step, however steep it is; so the same numbers do for every network and unit.

    Args:
        length: norm of the change, in grey levels.
    """

    length: float

    def rate(self, squared_norm: float, _score: float) -> float:
        """The length over the norm."""
        return self.length / math.sqrt(squared_norm)


POLICIES = {policy.__name__: policy for policy in (Constant, Progress, Progress01, Distance)}


def as_step_size(value: float | StepSize) -> StepSize:
    """A number means `Constant`."""
    return Constant(value) if isinstance(value, int | float) else value
