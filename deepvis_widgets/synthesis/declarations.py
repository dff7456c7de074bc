"""How a prior declares its parameters: once, beside its formula. Sliders, sweeps, checks and documentation read them."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from torch import Tensor

OFF = 0.0  # every parameter's neutral value: with it, the prior does nothing


@dataclass(frozen=True)
class Parameter:
    """One number that steers a prior. 0 is off; the useful values lie between ``low`` and ``high``.

    Attributes:
        name: as the keyword of the prior and of `Regularization`.
        low: the smallest value worth trying beside off.
        high: the largest that is allowed.
        unit: what it counts.
        about: one sentence for a person who has never heard of it.
        scale: "log" where each doubling matters equally.
        integer: whole numbers only.
    """

    name: str
    low: float
    high: float
    unit: str
    about: str
    scale: Literal["linear", "log"] = "linear"
    integer: bool = False

    @property
    def default(self) -> float:
        """Off."""
        return OFF

    def check(self, value: float) -> float:
        """The value as a float.

        Raises:
            ValueError: it is not a number in the allowed range; the message says which is.
        """
        number = _number(value)
        whole = not self.integer or number.is_integer()
        if not (OFF <= number <= self.high and whole):
            kind = "a whole number" if self.integer else "a number"
            raise ValueError(f"{self.name} must be {kind} from {OFF:g} (off) to {self.high:g} {self.unit}, not {value!r}")
        return number

    def ladder(self, rungs: int) -> tuple[float, ...]:
        """Values from ``low`` to ``high``, evenly on the parameter's own scale; whole numbers come once each."""
        values = [self.at(rung / max(rungs - 1, 1)) for rung in range(rungs)]
        return tuple(dict.fromkeys(values))

    def at(self, fraction: float) -> float:
        """The value that lies at a fraction 0..1 of the way from ``low`` to ``high``."""
        if self.scale == "log":
            value = self.low * (self.high / self.low) ** fraction
        else:
            value = self.low + (self.high - self.low) * fraction
        return min(max(float(round(value)) if self.integer else value, self.low), self.high)

    def draw(self, generator: np.random.Generator) -> float:
        """A random value, uniform on the parameter's own scale."""
        return self.at(float(generator.random()))


def _number(value: object) -> float:
    """As a float; not a number where it is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


@dataclass(frozen=True)
class Prior:
    """A function that makes a picture more likely, with its parameters.

    Attributes:
        function: what it does; takes its parameters as keywords, each a (B,) tensor with one value a sample.
        parameters: in the order of their sliders. One at its neutral value switches the whole prior off.
    """

    function: Callable[..., Tensor]
    parameters: tuple[Parameter, ...]

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def about(self) -> str:
        """The first line of the function's documentation."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def is_on(self, values: Mapping[str, float]) -> bool:
        """Whether it changes anything with these values."""
        return all(values[parameter.name] != OFF for parameter in self.parameters)


def prior(*parameters: Parameter) -> Callable[[Callable[..., Tensor]], Prior]:
    """Declare a function as a prior with these parameters."""
    return lambda function: Prior(function, parameters)


def declared_in(namespace: Mapping[str, object]) -> tuple[Prior, ...]:
    """The priors of a module, in the order in which they are written there, which is the order in which they act."""
    return tuple(value for value in namespace.values() if isinstance(value, Prior))
