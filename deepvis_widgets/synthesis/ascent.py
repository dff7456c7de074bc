"""ascend(): a generator that makes the picture a unit prefers, one frozen Step per iteration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .climb import Climb, Step
from .gradient import GradientOf, Precision
from .objectives import Objective
from .parameterizations import parameterization as by_name
from .presets import PRESETS
from .settings import Settings, spread
from .starts import start_pictures
from .step_sizes import Progress01
from .target import find_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypedDict

    from deepvis_widgets.activations import Layer
    from deepvis_widgets.models import VisionModel

    from .objectives import Position
    from .settings import Regularization
    from .step_sizes import StepSize

    class Options(TypedDict, total=False):
        """The keywords of `ascend`."""

        position: Position
        regularization: Regularization | Sequence[Regularization] | None
        step_size: float | StepSize | Sequence[float | StepSize] | None
        steps: int
        seeds: int | Sequence[int]
        size: int | tuple[int, int] | None
        start: Any
        parameterization: str
        pre_activation: bool | None
        precision: Precision
        redirect: bool
        first: int
        steer: Callable[[], Settings] | None


def ascend(  # noqa: PLR0913 - every one of them is a decision that a user may want to take
    model: VisionModel,
    layer: str | Layer,
    unit: int | Sequence[int],
    *,
    position: Position = None,
    regularization: Regularization | Sequence[Regularization] | None = None,
    step_size: float | StepSize | Sequence[float | StepSize] | None = None,
    steps: int = 200,
    seeds: int | Sequence[int] = (0,),
    size: int | tuple[int, int] | None = None,
    start: Any = None,
    parameterization: str = "pixels",
    pre_activation: bool | None = None,
    precision: Precision = "auto",
    redirect: bool = True,
    first: int = 0,
    steer: Callable[[], Settings] | None = None,
) -> Iterator[Step]:
    """Make the picture that a unit responds to, by gradient ascent under priors (Yosinski et al. 2015, section 4).

    Each iteration clips the picture to 0..255, runs the network, yields the `Step`, and then goes uphill and applies the
    priors. Stopping is not asking for more. Unit, seeds, regularization and step size may be one for all samples of the
    batch or one for each; a sample's picture does not depend on the others.

    Args:
        model: the network; as it was between any two steps.
        layer: its name.
        unit: the channel of a map or the neuron of a vector.
        position: row and column in the map; None for the centre; "mean" for the whole channel.
        regularization: strength of the priors; the preset "smooth", as it is for this network, unless given.
        step_size: a number for a constant rate, `Constant`, `Progress` or `Progress01`; that of "smooth" unless given.
        steps: how many pictures; after the last there is no update.
        seeds: of the starting noise and of the robustness transforms.
        size: of the picture, a side or (height, width); the network's own unless given.
        start: "mean_plus_noise", "uniform", "mean", a tensor as `Step.x`, or any picture; what suits the parameterization
            unless given.
        parameterization: what is optimised, see `parameterizations`.
        pre_activation: read a ReLU, sigmoid or softmax before it acts; None for yes, except with `Progress01`.
        precision: "auto" uses bfloat16 inside the network where the processor is made for it.
        redirect: help a unit without any gradient at the start by letting its ReLUs pass one, for a few steps.
        first: the index of the first step, to go on from a picture of a run where it was left.
        steer: called before each update; the `Settings` it returns hold from there on.

    Returns:
        An iterator of `steps` steps, or fewer where all samples end before.

    Raises:
        ValueError: the layer, unit, position, size or a setting cannot be; nothing has run then.
    """
    smooth = PRESETS["smooth"].at(model.input_size[1:])
    settings = Settings(
        _frozen(smooth.regularization if regularization is None else regularization),
        _frozen(smooth.step_size if step_size is None else step_size),
    )
    if steps < 1 or first < 0:
        raise ValueError(f"steps must be at least 1 and first at least 0, not {steps} and {first}")
    count = max(_length(value) for value in (unit, seeds, settings.regularization, settings.step_size))
    height, width = _size(size, model)
    if pre_activation is None:
        pre_activation = not any(isinstance(policy, Progress01) for policy in settings.step_sizes(count))
    target = find_target(model, layer, (height, width), pre_activation=pre_activation)
    objective = Objective.of(spread(unit, count, "unit"), position, target.shape, target.layer.name)
    seeds = spread(seeds, count, "seeds")
    parameters = by_name(parameterization, width)
    climb = Climb(
        GradientOf(model, target, objective, precision),
        parameters,
        start_pictures(parameters.start if start is None else start, seeds, model, (height, width)).to(model.device),
        seeds,
        redirect=redirect,
    )
    settings.regularizations(count)
    return climb.steps(range(first, first + steps), settings, steer or (lambda: settings))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) else value


def _length(value: Any) -> int:
    return len(value) if isinstance(value, Sequence) else 1


def _size(size: int | tuple[int, int] | None, model: VisionModel) -> tuple[int, int]:
    height, width = model.input_size[1:] if size is None else (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ValueError(f"size must be at least 1 pixel a side, not {size!r}")
    return height, width
