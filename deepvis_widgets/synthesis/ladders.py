"""Which settings to try: one parameter from weak to strong, two against each other, or random combinations."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from .declarations import OFF
from .presets import PRESETS
from .regularizers import PRIORS
from .robustness import TRANSFORMS
from .settings import PARAMETERS, Regularization

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .declarations import Parameter


def ladder(parameter: Parameter, rungs: int = 9, base: Regularization | None = None) -> tuple[Regularization, ...]:
    """One parameter off and then from weak to strong, the rest as in ``base`` (the paper's figure 3).

    Where the prior has a second parameter that is off in ``base``, that one is as in the preset "smooth", or else at its
    lowest, since otherwise no rung would do anything.
    """
    rest = _with_partners(base, parameter)
    return tuple(Regularization(**rest | {parameter.name: value}) for value in (OFF, *parameter.ladder(rungs - 1)))


def plane(
    first: Parameter, second: Parameter, rungs: int = 5, base: Regularization | None = None
) -> tuple[Regularization, ...]:
    """Every pair of two parameters' values, the rest as in ``base``, partners as in `ladder`; the second changes fastest."""
    rest = _with_partners(base, first, second)
    pairs = product(first.ladder(rungs), second.ladder(rungs))
    return tuple(Regularization(**rest | {first.name: a, second.name: b}) for a, b in pairs)


def random_settings(
    count: int, seed: int = 0, *, parameters: Sequence[Parameter] = PARAMETERS, base: Regularization | None = None
) -> tuple[Regularization, ...]:
    """Random combinations, as the paper drew 300: each prior off or on with even odds, and if on, drawn from its range.

    Args:
        count: how many.
        seed: the same seed draws the same settings, and the first ones of a longer list.
        parameters: which take part; a prior does with all of its parameters.
        base: what the others are; off unless given.
    """
    taking_part = [prior for prior in (*PRIORS, *TRANSFORMS) if any(p in parameters for p in prior.parameters)]
    generator, rest = np.random.default_rng(seed), (base or Regularization()).values()

    def drawn() -> dict[str, float]:
        values = dict(rest)
        for prior in taking_part:
            # Drawn whether it is on or not: the other priors' values do not then depend on this one's.
            on, those = generator.random() < 0.5, {p.name: p.draw(generator) for p in prior.parameters}
            values |= those if on else dict.fromkeys(those, OFF)
        return values

    return tuple(Regularization(**drawn()) for _ in range(count))


def _with_partners(base: Regularization | None, *varied: Parameter) -> dict[str, float]:
    """The values of ``base``, and those without which the varied parameters' priors would stay off."""
    values, smooth = (base or Regularization()).values(), PRESETS["smooth"].regularization.values()
    for prior in (*PRIORS, *TRANSFORMS):
        for partner in prior.parameters if any(p in varied for p in prior.parameters) else ():
            values[partner.name] = values[partner.name] or smooth[partner.name] or partner.low
    return values
