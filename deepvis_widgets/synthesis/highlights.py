"""What is kept of a run: the best, the first winning and the last picture of every sample, and the numbers of every step."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .climb import End, Step

if TYPE_CHECKING:
    from .settings import Settings


@dataclass(frozen=True, eq=False)
class History:
    """The numbers of every step, each (steps, B); what they are is said in `Step`."""

    scores: Tensor
    strongest: Tensor
    top: Tensor
    norms: Tensor
    distances: Tensor
    stds: Tensor
    gradient_norms: Tensor
    redirected: Tensor

    def __len__(self) -> int:
        return len(self.scores)


class Highlights:
    """Takes in one step after the other; holds no more than three pictures a sample.

    Attributes:
        last: the latest step.
        best: (B, C, H, W) the pictures with the highest scores so far.
        best_scores: (B,) theirs; best_indices: (B,) their steps.
        first_majority: (B, C, H, W) the first pictures for which our unit was the strongest of its layer; zeros where it
            never was.
        majority_indices: (B,) their steps, -1 where it never was.
        changes: the settings with the index of the first picture made with them.
    """

    last: Step
    best: Tensor
    best_scores: Tensor
    best_indices: Tensor
    first_majority: Tensor
    majority_indices: Tensor

    def __init__(self) -> None:
        self.changes: list[tuple[int, Settings]] = []
        self._numbers: list[tuple[Tensor, ...]] = []

    def add(self, step: Step) -> None:
        """The next step."""
        if not self._numbers:
            self._begin(step)
        self.last = step
        self._numbers.append(tuple(getattr(step, field.name) for field in fields(History)))
        if not self.changes or self.changes[-1][1] != step.settings:
            self.changes.append((step.index, step.settings))
        better = step.scores > self.best_scores
        self.best = _where(better, step.x, self.best)
        self.best_scores = torch.where(better, step.scores, self.best_scores)
        self.best_indices = torch.where(better, step.index, self.best_indices)
        won = step.strongest & (self.majority_indices < 0)
        self.first_majority = _where(won, step.x, self.first_majority)
        self.majority_indices = torch.where(won, step.index, self.majority_indices)

    def before_last(self) -> Highlights:
        """A copy that takes the last step back, all but its pictures: going on from its picture, `ascend` yields it again."""
        twin = copy.copy(self)
        twin._numbers = self._numbers[:-1]  # noqa: SLF001 - one of this class
        twin.changes = [change for change in self.changes if change[0] < self.last.index]
        return twin

    @property
    def history(self) -> History:
        """The numbers so far."""
        return History(*(torch.stack(column) for column in zip(*self._numbers, strict=True)))

    def ends(self) -> tuple[End, ...]:
        """Why each sample ended; "stopped" where it had not."""
        return tuple(end or End("stopped", self.last.index) for end in self.last.ends)

    def _begin(self, step: Step) -> None:
        self.best, self.first_majority = step.x, torch.zeros_like(step.x)
        self.best_scores = torch.full_like(step.scores, -torch.inf)
        self.best_indices = torch.full(step.scores.shape, step.index)
        self.majority_indices = torch.full(step.scores.shape, -1)


def _where(chosen: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Per sample the new or the old picture; nothing is copied where it is all the one or all the other."""
    if not bool(chosen.any()):
        return old
    return new if bool(chosen.all()) else torch.where(chosen.to(new.device)[:, None, None, None], new, old)
