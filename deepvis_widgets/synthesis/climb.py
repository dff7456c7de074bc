"""The iteration itself: clip, run, record, go uphill, apply the priors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from .regularizers import PRIORS, Moment
from .robustness import TRANSFORMS, Draw
from .settings import Bound, Settings, bind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .gradient import Evaluation, GradientOf
    from .parameterizations import Parameterization

REDIRECTED_STEPS = 16  # how long a unit without a gradient is helped
REDIRECTED_REACH = 1.0  # grey levels that each of those steps goes at most: the redirected gradient may be of any size
NO_GRADIENT = (
    "the unit has no gradient at this picture: try another seed or start, the whole channel (position='mean'), "
    "or a layer before it"
)

NETWORK_NOT_FINITE = (
    "the network's own score or gradient is not finite for this picture: see whether its weights are, or try "
    "precision='float32'"
)


@dataclass(frozen=True)
class End:
    """Why a sample's picture does not change any more.

    Attributes:
        reason: "steps done", "stopped", "zero gradient" or "not finite".
        index: of the step.
        advice: what to try; empty where all is well.
    """

    reason: Literal["steps done", "stopped", "zero gradient", "not finite"]
    index: int
    advice: str = ""


@dataclass(frozen=True, eq=False)
class Step:
    """One iteration, recorded before the picture is changed. All (B,) tensors are on the CPU.

    Attributes:
        index: which iteration, from 0.
        x: (B, C, H, W) float32 on the network's device, 0..255 minus the mean colour, as this step's forward pass saw it
            (before robustness transforms).
        scores: (B,) the objective.
        top: (B,) the unit that the layer responds with most, at any position.
        strongest: (B,) whether that is ours, at our position.
        norms: (B,) of x.
        distances: (B,) of x from the start.
        stds: (B,) standard deviation of x over all its values, in grey levels.
        gradient_norms: (B,) of the gradient that is followed.
        redirected: (B,) whether it is the redirected gradient of a unit that had none.
        ends: per sample why it has ended, or None; an ended sample keeps its last good picture.
        settings: in force before this picture.
    """

    index: int
    x: Tensor
    scores: Tensor
    top: Tensor
    strongest: Tensor
    norms: Tensor
    distances: Tensor
    stds: Tensor
    gradient_norms: Tensor
    redirected: Tensor
    ends: tuple[End | None, ...]
    settings: Settings


@dataclass(frozen=True, eq=False)
class _Here:
    """What the next update starts from."""

    step: Step
    gradient: Tensor
    direction: Tensor


class Climb:
    """A batch on its way uphill.

    Args:
        gradient_of: the objective.
        parameterization: what is optimised.
        start: (B, C, H, W) float32.
        seeds: one a sample.
        redirect: whether to help units that have no gradient at the start.
    """

    def __init__(
        self,
        gradient_of: GradientOf,
        parameterization: Parameterization,
        start: Tensor,
        seeds: Sequence[int],
        *,
        redirect: bool,
    ) -> None:
        self._gradient_of = gradient_of
        self._parameterization = parameterization
        self._start = start
        self._seeds = tuple(seeds)
        self._redirect = redirect
        mean = torch.tensor(gradient_of.model.mean, dtype=torch.float32, device=start.device).view(1, -1, 1, 1) * 255
        self._low, self._high = -mean, 255 - mean
        self._bound: tuple[Settings, tuple[Bound, ...], tuple[Bound, ...]] | None = None

    def steps(self, indices: range, settings: Settings, steer: Callable[[], Settings]) -> Iterator[Step]:
        """One `Step` for each index, until all samples have ended."""
        x, before, redirected = self._start, None, None
        for index in indices:
            x = x.clamp(self._low, self._high)
            evaluation = self._evaluate(x, index, settings, redirected)
            if index == indices.start and self._redirect:
                redirected = self._without_gradient(evaluation)
                evaluation = evaluation if redirected is None else self._evaluate(x, index, settings, redirected)
            elif index == indices.start + REDIRECTED_STEPS:
                redirected = None
            here = self._record(x, evaluation, index, settings, before, redirected, last=index == indices[-1])
            yield here.step
            if all(here.step.ends):
                return
            settings = steer()
            before, x = here, self._advance(here, settings)

    def _evaluate(self, x: Tensor, index: int, settings: Settings, redirected: Tensor | None) -> Evaluation:
        transforms = self._bind(settings)[1]
        draw = Draw(self._seeds, index)

        def view(picture: Tensor) -> Tensor:
            for transform in transforms:
                picture = transform(picture, draw)
            return picture

        return self._gradient_of(x, view if transforms else None, redirected)

    def _without_gradient(self, evaluation: Evaluation) -> Tensor | None:
        zero = ~evaluation.gradient.flatten(1).any(1)
        return zero if bool(zero.any()) else None

    def _record(  # noqa: PLR0913 - all of what happened
        self,
        x: Tensor,
        evaluation: Evaluation,
        index: int,
        settings: Settings,
        before: _Here | None,
        redirected: Tensor | None,
        *,
        last: bool,
    ) -> _Here:
        direction = self._parameterization.pull(evaluation.gradient)
        numbers = self._numbers(x, evaluation, direction)
        ends: list[End | None] = list(before.step.ends) if before else [None] * len(x)
        bad = [not end and not ok for end, ok in zip(ends, numbers[:4].isfinite().all(0).tolist(), strict=True)]
        for b in (b for b, is_bad in enumerate(bad) if is_bad):
            ends[b] = End("not finite", index, self._blame(x, before, settings, b))
        for b, norm in enumerate(numbers[3].tolist()):
            ends[b] = ends[b] or (End("zero gradient", index, NO_GRADIENT) if norm == 0 else None)
            ends[b] = ends[b] or (End("steps done", index) if last else None)
        if before is not None and any(bad):
            x = torch.where(torch.tensor(bad, device=x.device)[:, None, None, None], before.step.x, x)
        scores, norms, distances, gradient_norms, means, top, strongest = numbers
        stds = (norms.square() / x[0].numel() - means.square()).clamp(min=0).sqrt()
        used = torch.zeros(len(x), dtype=torch.bool) if redirected is None else redirected.cpu()
        step = Step(
            index, x, scores, top.long(), strongest.bool(), norms, distances, stds, gradient_norms, used, tuple(ends), settings
        )
        return _Here(step, evaluation.gradient, direction)

    def _numbers(self, x: Tensor, evaluation: Evaluation, direction: Tensor) -> Tensor:
        """(7, B) on the CPU: everything that is measured, in one transfer."""
        norms, distances, slopes = (torch.linalg.vector_norm(v.flatten(1), dim=1) for v in (x, x - self._start, direction))
        rows = [evaluation.scores, norms, distances, slopes, x.flatten(1).mean(1), evaluation.top, evaluation.strongest]
        return torch.stack([row.float() for row in rows]).cpu()

    def _advance(self, here: _Here, settings: Settings) -> Tensor:
        """The next picture of every sample that has not ended."""
        x = here.step.x
        for _, stage in self._stages(here, settings):
            x = stage(x)
        if any(here.step.ends):
            ended = torch.tensor([end is not None for end in here.step.ends], device=x.device)
            x = torch.where(ended[:, None, None, None], here.step.x, x)
        return x

    def _stages(self, here: _Here, settings: Settings) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
        """The update and each prior by name, in their order."""
        rates = torch.tensor(self._rates(here.step, settings), device=here.gradient.device)
        change = self._parameterization.push(here.direction)
        yield "step_size", lambda x: torch.addcmul(x, change, rates[:, None, None, None])
        moment = Moment(here.step.index, here.gradient)
        for bound in self._bind(settings)[0]:
            yield ", ".join(bound.values), lambda x, bound=bound: bound(x, moment)  # type: ignore[misc]

    def _rates(self, step: Step, settings: Settings) -> list[float]:
        policies, reach = settings.step_sizes(len(self._seeds)), REDIRECTED_REACH * math.sqrt(step.x[0].numel())
        norms = [norm or math.ulp(0.0) for norm in step.gradient_norms.tolist()]
        limits = [reach / norm if helped else math.inf for helped, norm in zip(step.redirected.tolist(), norms, strict=True)]
        rows = zip(policies, norms, step.scores.tolist(), limits, step.ends, strict=True)
        return [
            0.0 if end else min(limit, policy.rate(norm**2 or math.ulp(0.0), score)) for policy, norm, score, limit, end in rows
        ]

    def _bind(self, settings: Settings) -> tuple[tuple[Bound, ...], tuple[Bound, ...]]:
        """The priors and transforms that are on; worked out again only when the settings have changed."""
        if self._bound is None or self._bound[0] is not settings:
            each = settings.regularizations(len(self._seeds))
            device = self._start.device
            self._bound = (settings, bind(PRIORS, each, device), bind(TRANSFORMS, each, device))
        return self._bound[1:]

    def _blame(self, x: Tensor, before: _Here | None, settings: Settings, sample: int) -> str:
        """Which setting it was, by doing the last update again stage by stage."""
        if before is None or bool(x[sample].isfinite().all()):
            return NETWORK_NOT_FINITE
        picture = before.step.x
        for name, stage in self._stages(before, settings):
            picture = stage(picture)
            if not bool(picture[sample].isfinite().all()):
                return f"{name} made it so, in the update after step {before.step.index}; try a smaller value"
        return "the picture is not finite"
