"""Some pictures of a run, evenly over its steps, in bounded memory: to look back, and to go on from one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deepvis_widgets.synthesis.climb import Step
    from deepvis_widgets.synthesis.highlights import Highlights

PICTURES = 64  # as many as a person tells apart on a timeline
BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Still:
    """A picture that was kept.

    Attributes:
        step: its step, with the picture itself.
        before: the run's highlights with this step taken back, so that a run can go on from it.
    """

    step: Step
    before: Highlights

    @property
    def index(self) -> int:
        """Of the step."""
        return self.step.index


class Film:
    """Every so many steps a still, the first and the last always; when there are too many, every second one goes.

    Args:
        pictures: at most so many stills, two at least.
        nbytes: at most so much memory, or what two stills take.

    Attributes:
        stride: a still every so many steps.
    """

    def __init__(self, pictures: int = PICTURES, nbytes: int = BYTES) -> None:
        self.pictures, self.limit = max(pictures, 2), nbytes
        self.stride = 1
        self._stills: list[Still] = []

    def __len__(self) -> int:
        return len(self._stills)

    def __iter__(self) -> Iterator[Still]:
        return iter(self._stills)

    @property
    def last(self) -> Still | None:
        """The latest; None before the first."""
        return self._stills[-1] if self._stills else None

    @property
    def nbytes(self) -> int:
        """Of all pictures held; a picture that several stills share counts once."""
        stills = ((still.step.x, still.before.best, still.before.first_majority) for still in self._stills)
        return sum({id(x): x.nbytes for still in stills for x in still}.values())

    def add(self, still: Still) -> None:
        """The next; the one before stays only if it is due."""
        if self._stills and not self._due(self._stills[-1]):
            self._stills.pop()
        self._stills.append(still)
        while len(self) > 2 and (len(self) > self.pictures or self.nbytes > self.limit):
            self.stride *= 2
            self._stills = [kept for kept in self._stills if self._due(kept) or kept is still]

    def at(self, index: int) -> Still:
        """The still of that step, or the nearest before it, or the first.

        Raises:
            ValueError: nothing has been kept yet.
        """
        if not self._stills:
            raise ValueError("there is no picture to go back to: nothing has run yet")
        return next((still for still in reversed(self._stills) if still.index <= index), self._stills[0])

    def cut(self, still: Still) -> None:
        """Let go of that one and all after it."""
        self._stills = [kept for kept in self._stills if kept.index < still.index]

    def _due(self, still: Still) -> bool:
        return (still.index - self._stills[0].index) % self.stride == 0
