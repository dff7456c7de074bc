"""Which settings a search tries, and how it speaks of them: a ladder, a plane or random combinations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from deepvis_widgets.synthesis import PARAMETERS, ladder, plane, random_settings

if TYPE_CHECKING:
    from deepvis_widgets.synthesis import Regularization
    from deepvis_widgets.synthesis.declarations import Parameter

Mode = Literal["ladder", "plane", "random"]
MODES: tuple[Mode, ...] = ("ladder", "plane", "random")


@dataclass(frozen=True)
class Search:
    """What to try around a base.

    Attributes:
        mode: "ladder" varies `first` from off to strong; "plane" also `second`, each with each; "random" draws all priors.
        base: what does not vary.
        first: of a ladder, and the rows of a plane.
        second: the columns of a plane.
        rungs: of a ladder, off included.
        side: values of each prior of a plane.
        count: of random combinations.
        seed: they are drawn from.
    """

    mode: Mode
    base: Regularization
    first: Parameter
    second: Parameter
    rungs: int = 9
    side: int = 5
    count: int = 60
    seed: int = 0

    def settings(self) -> tuple[Regularization, ...]:
        """One a picture, in the order in which they are shown.

        Raises:
            ValueError: a plane needs two different priors.
        """
        if self.mode == "ladder":
            return ladder(self.first, self.rungs, self.base)
        if self.mode == "random":
            return random_settings(self.count, self.seed, base=self.base)
        if self.first == self.second:
            raise ValueError(f"a plane needs two different priors, not {words(self.first.name)} twice: choose another one")
        return plane(self.first, self.second, self.side, self.base)

    @property
    def columns(self) -> int:
        """How many pictures a row of a plane has; 0 where rows mean nothing."""
        return len(self.second.ladder(self.side)) if self.mode == "plane" else 0

    @property
    def caption(self) -> str:
        """What the pictures are, in a line."""
        if self.mode == "ladder":
            return f"{words(self.first.name)} from off to {strength(self.first, self.first.high)}"
        if self.mode == "plane":
            return f"rows ↓ {words(self.first.name)} · columns → {words(self.second.name)}"
        return f"{self.count} random combinations, seed {self.seed}"

    def label(self, setting: Regularization) -> str:
        """What tells one picture from the others; nothing for random ones, which differ in everything."""
        if self.mode == "ladder":
            return strength(self.first, setting.values()[self.first.name])
        if self.mode == "plane":
            values = setting.values()
            return " · ".join(f"{values[p.name]:.3g}" if values[p.name] else "off" for p in (self.first, self.second))
        return ""


def strength(parameter: Parameter, value: float) -> str:
    """A value with its unit, where that is short."""
    unit = parameter.unit if len(parameter.unit) <= 8 else ""
    return f"{value:.3g} {unit}".strip() if value else "off"


def words(name: str) -> str:
    """A name as a person writes it."""
    return name.replace("_", " ")


def declared(name: str) -> Parameter:
    """The parameter of that name.

    Raises:
        ValueError: there is none.
    """
    for parameter in PARAMETERS:
        if parameter.name == name:
            return parameter
    raise ValueError(f"there is no prior {name!r}; there are {', '.join(parameter.name for parameter in PARAMETERS)}")
