"""The call that makes a visualization again, as a value, as JSON and as Python."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from torch import Tensor

from .settings import Regularization, Settings
from .step_sizes import POLICIES, as_step_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from deepvis_widgets.activations import Layer

    from .ascent import Options


@dataclass(frozen=True, eq=False)
class Recipe:
    """The arguments of `ascend`, and what was changed on the way.

    Attributes:
        layer: its name.
        unit: one, or one a sample.
        options: the keywords, without ``steer``.
        changes: settings with the index of the first picture made with them, in order; the first are those it began with.
    """

    layer: str
    unit: int | list[int]
    options: Options
    changes: tuple[tuple[int, Settings], ...]

    @classmethod
    def of(
        cls, layer: str | Layer, unit: int | Sequence[int], options: Options, changes: Sequence[tuple[int, Settings]]
    ) -> Self:
        """From a call and what `Highlights.changes` noted while it ran."""
        kept = cast("Options", {name: value for name, value in options.items() if name != "steer" and value is not None})
        first = changes[0][1]
        kept["regularization"], kept["step_size"] = first.regularization, first.step_size
        return cls(
            layer if isinstance(layer, str) else layer.name, unit if isinstance(unit, int) else list(unit), kept, tuple(changes)
        )

    def steer(self) -> Callable[[], Settings]:
        """Plays the changes again, each before the update that it was made for."""
        index = self.options.get("first", 0)
        changes = dict(self.changes)
        settings = self.changes[0][1]

        def play() -> Settings:
            nonlocal index, settings
            index += 1
            settings = changes.get(index, settings)
            return settings

        return play

    def tensors(self) -> dict[str, Tensor]:
        """The picture it began with, where that was given as numbers."""
        start = self.options.get("start")
        return {"x": start.detach().cpu()} if isinstance(start, Tensor) else {}

    def to_json(self) -> dict[str, Any]:
        """Plain values; a picture to start from is only named."""
        # Tuples as lists, which is what JSON gives back.
        kept = {name: value for name, value in self.options.items() if name not in ("regularization", "step_size")}
        options = {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}
        if "start" in options and not isinstance(options["start"], str):
            options["start"] = {"given": True}
        changes = [{"index": index, **_settings_to_json(settings)} for index, settings in self.changes]
        return {"layer": self.layer, "unit": self.unit, "options": options, "changes": changes}

    @classmethod
    def from_json(cls, found: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """What `to_json` made."""
        changes = [(int(change["index"]), _settings_from_json(change)) for change in found["changes"]]
        options = found["options"] | ({"start": tensors["x"]} if tensors else {})
        for name in ("position", "size"):
            if isinstance(options.get(name), list):
                options[name] = tuple(options[name])
        return cls.of(found["layer"], found["unit"], options, changes)

    def code(self, model: str = "model") -> str:
        """The Python call, for a notebook; what was changed on the way is not in it."""
        options = {name: value for name, value in self.options.items() if not isinstance(value, Tensor)}
        keywords = "".join(f", {name}={value!r}" for name, value in options.items())
        return f"dv.visualize({model}, {self.layer!r}, {self.unit!r}{keywords})"


def _settings_to_json(settings: Settings) -> dict[str, Any]:
    """One value where it holds for all samples, else a list."""
    regularization, step_size = settings.regularization, settings.step_size
    return {
        "regularization": [r.changed() for r in regularization]
        if isinstance(regularization, tuple)
        else regularization.changed(),
        "step_size": [_policy_to_json(s) for s in step_size] if isinstance(step_size, tuple) else _policy_to_json(step_size),
    }


def _settings_from_json(found: dict[str, Any]) -> Settings:
    regularization, step_size = found["regularization"], found["step_size"]
    return Settings(
        tuple(Regularization(**r) for r in regularization)
        if isinstance(regularization, list)
        else Regularization(**regularization),
        tuple(_policy_from_json(s) for s in step_size) if isinstance(step_size, list) else _policy_from_json(step_size),
    )


def _policy_to_json(step_size: Any) -> dict[str, Any]:
    policy = as_step_size(step_size)
    return {"policy": type(policy).__name__, **asdict(cast("Any", policy))}


def _policy_from_json(found: dict[str, Any]) -> Any:
    return POLICIES[found["policy"]](**{name: value for name, value in found.items() if name != "policy"})
