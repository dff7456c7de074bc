"""What to optimise and how, as controls: layer, unit, position, presets, a slider a parameter, step size, seeds."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ipywidgets

from deepvis_widgets.synthesis import PRESETS, Regularization, Settings
from deepvis_widgets.synthesis.declarations import Parameter
from deepvis_widgets.synthesis.step_sizes import POLICIES, as_step_size

from .sliders import Sliders
from .typed import read_place, read_size, read_unit, unit_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deepvis_widgets.activations import Inspector, Layer
    from deepvis_widgets.synthesis.ascent import Options
    from deepvis_widgets.synthesis.objectives import Position

SEEDS = (1, 4, 9)
CENTRE, WHOLE, PLACE = "centre", "whole channel", "row, column"
STEP_SIZES = {
    "Constant": (Parameter("lr", 0.1, 1e9, "× gradient", "How far each step goes along the gradient.", "log"),),
    "Progress": (
        Parameter("desired", 0.01, 1e3, "of score a step", "How much each step should raise the score.", "log"),
        Parameter("max_lr", 1.0, 1e12, "× gradient", "The farthest a step may go.", "log"),
    ),
    "Progress01": (
        Parameter("early", 0.001, 1.0, "of probability a step", "How much each step should raise the probability.", "log"),
        Parameter("late_mult", 0.01, 1.0, "of what is left", "Near 1: which part of the rest a step should take.", "log"),
        Parameter("max_lr", 1.0, 1e12, "× gradient", "The farthest a step may go.", "log"),
    ),
    "Distance": (Parameter("length", 1.0, 1e5, "grey levels", "How far each step goes, however steep it is.", "log"),),
}
STARTS = {  # what a policy says when it is chosen first
    "Constant": {"lr": 100.0},
    "Progress": {"desired": 2.0, "max_lr": 100.0},
    "Progress01": {"early": 0.05, "late_mult": 0.2, "max_lr": 1e12},
    "Distance": {"length": 300.0},
}
CONTRAST = Parameter(
    "contrast", 0.25, 4.0, "×", "How much differences from mid-grey are stretched; off: colours as they are.", "log"
)


@dataclass(frozen=True)
class Choice:
    """All that decides what a picture becomes.

    Attributes:
        layer: its name.
        unit: in the layer.
        position: None for the centre, "mean" for the whole channel, or row and column.
        seeds: one a sample.
        size: height and width of the picture.
        parameterization: what is optimised.
        settings: strength of the priors and step size, of all samples.
        steps: how many.
    """

    layer: str
    unit: int
    position: Position
    seeds: tuple[int, ...]
    size: tuple[int, int]
    parameterization: str
    settings: Settings
    steps: int

    def task(self) -> Choice:
        """What cannot change in a run: equal tasks differ in settings and number of steps only."""
        return replace(self, settings=None, steps=0)  # type: ignore[arg-type]

    def options(self) -> Options:
        """Keywords for `ascend`."""
        return {
            "position": self.position,
            "seeds": self.seeds,
            "size": self.size,
            "parameterization": self.parameterization,
            "regularization": self.settings.regularization,
            "step_size": self.settings.step_size,
            "steps": self.steps,
        }


class Controls:
    """Two boxes of controls and the `Choice` they stand for.

    Args:
        inspector: of the network.
        choice: what they show at first.
        changed: called after the user has changed anything.

    Attributes:
        head: layer, unit, position and presets.
        side: everything that has a value.
        restarts: whether moving a slider starts over, rather than steers.
        contrast: of the pictures.
    """

    def __init__(self, inspector: Inspector, choice: Choice, changed: Callable[[], None]) -> None:
        self.inspector, self._changed = inspector, changed
        self._parameterization = choice.parameterization
        self._quiet = False
        self._make(choice)
        self.choice = choice
        for control in self._observed():
            control.observe(lambda _change: None if self._quiet else self._changed(), "value")
        for sliders in (self.priors, *self.rates.values()):
            sliders.observe(lambda _change: None if self._quiet else self._changed(), "values")
        self.layer.observe(lambda _change: self._describe_layer(), "value")
        self.policy.observe(lambda _change: self._show_policy(), "value")
        self.position.observe(lambda _change: self._show_place(), "value")
        self.presets.observe(self._use_preset, "value")

    @property
    def choice(self) -> Choice:
        """What the controls say; set it to have them say something else, without `changed` being called.

        Raises:
            ValueError: something typed is no unit, position or size, or a setting cannot be.
        """
        layer = self.inspector.layer(self.layer.value)
        return Choice(
            layer.name,
            read_unit(self.unit.value, layer, self._names(layer)),
            self._position(layer),
            tuple(range(self.seeds.value)),
            read_size(self.size.value),
            self._parameterization,
            self._settings(),
            self.steps.value,
        )

    @choice.setter
    def choice(self, choice: Choice) -> None:
        with self._quietly():
            layer = self.inspector.layer(choice.layer)
            self.layer.value = layer.name
            self._describe_layer()
            self.unit.value = self._names(layer)[choice.unit] if self._names(layer) else str(choice.unit)
            place = choice.position not in (None, "mean")
            self.position.value = PLACE if place else WHOLE if choice.position == "mean" else CENTRE
            if choice.position is not None and place:
                self.place.value = ", ".join(map(str, choice.position))
            self.seeds.value = len(choice.seeds)
            self.size.value = " × ".join(map(str, dict.fromkeys(choice.size)))
            self._parameterization = choice.parameterization
            self.steps.value = choice.steps
            self._take(choice.settings)
            self._show_place()
            self._show_policy()
            self._name_preset(choice)

    def name_preset(self, choice: Choice) -> None:
        """Mark the preset that this is, if it is one."""
        with self._quietly():
            self._name_preset(choice)

    def next_unit(self, by: int) -> None:
        """The unit before or after this one, around the end."""
        layer = self.inspector.layer(self.layer.value)
        names = self._names(layer)
        unit = (read_unit(self.unit.value, layer, names) + by) % layer.units
        self.unit.value = names[unit] if names else str(unit)

    def _make(self, choice: Choice) -> None:
        entries = [(_entry(layer, group[0]), layer.name) for group in self.inspector.outline for layer in group]
        self.layer = ipywidgets.Dropdown(options=entries, value=choice.layer, description="layer")
        self.unit = ipywidgets.Combobox(description="unit", continuous_update=False, value="0")
        before, after = (
            ipywidgets.Button(description=text, tooltip=f"The {word} unit")
            for text, word in (("◂", "unit before this"), ("▸", "next"))
        )
        before.on_click(lambda _button: self.next_unit(-1))
        after.on_click(lambda _button: self.next_unit(1))
        self.position = ipywidgets.Dropdown(options=[CENTRE, WHOLE, PLACE], description="at")
        self.place = ipywidgets.Text("0, 0", continuous_update=False, tooltip="Row and column in the map, from 0")
        self.place.add_class("dv-place")
        about = [preset.about for preset in PRESETS.values()]
        self.presets = ipywidgets.ToggleButtons(options=list(PRESETS), value=None, tooltips=about)
        self.presets.add_class("dv-presets")
        unit = ipywidgets.Box([self.unit, before, after]).add_class("dv-unit-choice")
        place = ipywidgets.Box([self.position, self.place]).add_class("dv-place-choice")
        self.head = ipywidgets.Box([self.layer, unit, place, self.presets]).add_class("dv-choose")
        self.priors = Sliders()
        self.policy = ipywidgets.Dropdown(options=[(name.lower(), name) for name in POLICIES], description="step size")
        self.rates = {name: Sliders(parameters, STARTS[name], first=[]) for name, parameters in STEP_SIZES.items()}
        self.steps = ipywidgets.BoundedIntText(value=choice.steps, min=1, max=1_000_000, description="steps")
        self.size = ipywidgets.Text(
            description="size", continuous_update=False, tooltip="Of the picture in pixels: 64, or 64 × 96"
        )
        self.seeds = ipywidgets.ToggleButtons(options=SEEDS, description="seeds", tooltips=[f"{n} starts" for n in SEEDS])
        self.moving = ipywidgets.ToggleButtons(
            options=[("steers", False), ("restarts", True)],
            description="moving a slider",
            tooltips=["Takes effect at the next step", "Starts over from the same seeds, a moment after you let go"],
        )
        self.contrast = Sliders([CONTRAST], {CONTRAST.name: 1.0}, first=[])
        numbers = ipywidgets.Box([self.steps, self.size, self.seeds]).add_class("dv-row")
        moving = ipywidgets.Box([self.moving]).add_class("dv-row")
        rows = [self.priors, self.policy, *self.rates.values(), numbers, moving]
        self.side = ipywidgets.VBox(rows).add_class("dv-settings")

    @property
    def restarts(self) -> bool:
        """Whether moving a slider starts over."""
        return bool(self.moving.value)

    def _observed(self) -> tuple[ipywidgets.Widget, ...]:
        return (self.layer, self.unit, self.position, self.place, self.policy, self.steps, self.size, self.seeds)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """While it lasts, changes of the controls are not told."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _names(self, layer: Layer) -> list[str]:
        return unit_names(layer, self.inspector.model.labels)

    def _describe_layer(self) -> None:
        layer = self.inspector.layer(self.layer.value)
        names = self._names(layer)
        self.unit.options = names
        self.unit.placeholder = "number or name" if names else f"0 to {layer.units - 1}"
        self.position.disabled = len(layer.shape) == 1
        self._show_place()

    def _show_policy(self) -> None:
        for name, sliders in self.rates.items():
            sliders.layout.display = None if name == self.policy.value else "none"

    def _show_place(self) -> None:
        self.place.layout.display = None if self.position.value == PLACE and not self.position.disabled else "none"

    def _position(self, layer: Layer) -> Position:
        if len(layer.shape) == 1 or self.position.value == CENTRE:
            return None
        return "mean" if self.position.value == WHOLE else read_place(self.place.value)

    def _settings(self) -> Settings:
        values = self.rates[self.policy.value].values
        return Settings(Regularization(**self.priors.values), POLICIES[self.policy.value](**values))

    def _take(self, settings: Settings) -> None:
        (regularization,), (step_size,) = settings.regularizations(1), settings.step_sizes(1)
        self.policy.value = type(step_size).__name__
        rates = self.rates[self.policy.value]
        for sliders, values in ((self.priors, regularization.values()), (rates, dict(vars(step_size)))):
            sliders.defaults = sliders.values = values

    def _use_preset(self, change: dict[str, Any]) -> None:
        if self._quiet or change["new"] is None:
            return
        preset = PRESETS[change["new"]].at(self.inspector.model.input_size[1:])
        with self._quietly():
            self._parameterization = preset.parameterization
            self._take(Settings(preset.regularization, preset.step_size))
            self._show_policy()
        self._changed()

    def _name_preset(self, choice: Choice) -> None:
        now = (choice.settings.regularization, as_step_size(choice.settings.step_size), choice.parameterization)  # type: ignore[arg-type]
        scaled = {name: preset.at(self.inspector.model.input_size[1:]) for name, preset in PRESETS.items()}
        same = (name for name, p in scaled.items() if (p.regularization, p.step_size, p.parameterization) == now)
        self.presets.value = next(same, None)


def _entry(layer: Layer, main: Layer) -> str:
    inside = "" if layer is main else "   "
    return f"{inside}{layer.name}  ({' × '.join(map(str, layer.shape))})"
