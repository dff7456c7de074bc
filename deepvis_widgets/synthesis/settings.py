"""What may change while a picture forms: the strength of every prior, and the step size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from .regularizers import PRIORS
from .robustness import TRANSFORMS
from .step_sizes import StepSize, as_step_size

if TYPE_CHECKING:
    from .declarations import Parameter, Prior

T = TypeVar("T")
PARAMETERS: tuple[Parameter, ...] = tuple(p for prior in (*PRIORS, *TRANSFORMS) for p in prior.parameters)


class _Declared:
    """What every regularization can do; its fields are the declared parameters."""

    if TYPE_CHECKING:  # the fields are known at run time only: `help(Regularization)` lists them

        def __init__(self, **values: float) -> None: ...
        def __getattr__(self, name: str) -> float: ...

    def __post_init__(self) -> None:
        for parameter in PARAMETERS:
            object.__setattr__(self, parameter.name, parameter.check(getattr(self, parameter.name)))

    def values(self) -> dict[str, float]:
        """Every parameter by name."""
        return {parameter.name: getattr(self, parameter.name) for parameter in PARAMETERS}

    def changed(self) -> dict[str, float]:
        """The parameters that are not off, by name: what a call has to say to make this again."""
        return {name: value for name, value in self.values().items() if value}

    def __repr__(self) -> str:
        return f"Regularization({', '.join(f'{name}={value:g}' for name, value in self.changed().items())})"


if TYPE_CHECKING:

    class Regularization(_Declared):
        """How strongly each prior acts, by parameter; 0 is off."""

else:
    Regularization = make_dataclass(
        "Regularization",
        [(parameter.name, float, parameter.default) for parameter in PARAMETERS],
        bases=(_Declared,),
        namespace={"__module__": __name__, "__repr__": _Declared.__repr__},
        frozen=True,
        kw_only=True,
        repr=False,
    )
    Regularization.__doc__ = "How strongly each prior acts, by parameter; 0 is off.\n\nArgs:\n" + "\n".join(
        f"    {p.name}: {p.low:g} to {p.high:g} {p.unit}. {p.about}" for p in PARAMETERS
    )


@dataclass(frozen=True)
class Settings:
    """One value that a driver hands over between two steps.

    Attributes:
        regularization: of all samples, or one a sample.
        step_size: of all samples, or one a sample; a number means `Constant`.
    """

    regularization: Regularization | tuple[Regularization, ...]
    step_size: float | StepSize | tuple[float | StepSize, ...]

    def regularizations(self, count: int) -> tuple[Regularization, ...]:
        """One a sample."""
        return spread(self.regularization, count, "regularization")

    def step_sizes(self, count: int) -> tuple[StepSize, ...]:
        """One a sample."""
        each: tuple[float | StepSize, ...] = spread(self.step_size, count, "step_size")
        return tuple(as_step_size(value) for value in each)


@dataclass(frozen=True)
class Bound:
    """A prior with the values that the samples of a batch have for it, (B,) each."""

    prior: Prior
    values: dict[str, Tensor]

    def __call__(self, x: Tensor, moment: Any) -> Tensor:
        """The batch after it."""
        return self.prior.function(x, moment, **self.values)


def bind(priors: Sequence[Prior], regularizations: Sequence[Regularization], device: torch.device) -> tuple[Bound, ...]:
    """The priors that act on any of the samples; the others cost nothing."""
    rows = [regularization.values() for regularization in regularizations]
    on = [prior for prior in priors if any(prior.is_on(row) for row in rows)]
    return tuple(
        Bound(prior, {p.name: torch.tensor([row[p.name] for row in rows], device=device) for p in prior.parameters})
        for prior in on
    )


def spread(value: T | Sequence[T] | tuple[T, ...], count: int, name: str) -> tuple[T, ...]:
    """One value for all, or one each.

    Raises:
        ValueError: there are neither one nor ``count``.
    """
    values: tuple[T, ...] = tuple(value) if isinstance(value, Sequence) else (value,)
    if len(values) not in (1, count):
        raise ValueError(f"{name} must be one value or one for each of the {count} samples, not {len(values)}")
    return values * count if len(values) == 1 else values
