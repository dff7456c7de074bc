"""Sliders: one for each declared parameter, drawn from its declaration."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from deepvis_widgets.synthesis import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deepvis_widgets.synthesis.declarations import Parameter

STATIC = Path(__file__).parent / "static"
PAPER = ("decay", "blur_sigma", "blur_every", "norm_percentile", "contribution_percentile")  # what the paper's settings use


class Sliders(anywidget.AnyWidget):
    """A row for each parameter: a slider that is off at its left end, and a field for typed numbers.

    Args:
        parameters: what to draw; all priors and transforms unless given.
        values: to start with, and what a double click goes back to; one that is missing is off.
        first: the names of those that are seen at once, the others are folded away; all if none of them is declared.

    Attributes:
        values: every parameter's value by name; set it, or observe it. What is missing from a dict that is set is off.
        defaults: what a double click on a row goes back to, by name.
        message: what was wrong with a value that was refused, "" if nothing.
    """

    _esm = STATIC / "sliders.js"
    _css = STATIC / "sliders.css"

    declared: traitlets.List[Any] = traitlets.List().tag(sync=True)
    first = traitlets.List(traitlets.Unicode()).tag(sync=True)
    values: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    defaults: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        parameters: Sequence[Parameter] = PARAMETERS,
        values: Mapping[str, float] | None = None,
        *,
        first: Sequence[str] = PAPER,
    ) -> None:
        self._parameters = {parameter.name: parameter for parameter in parameters}
        start = dict(values or {})
        super().__init__(
            declared=[asdict(parameter) for parameter in parameters],
            first=[name for name in first if name in self._parameters],
            values=start,
            defaults=start,
        )

    @traitlets.validate("values", "defaults")
    def _checked(self, proposal: dict[str, Any]) -> dict[str, float]:
        given: dict[str, Any] = proposal["value"]
        if unknown := [name for name in given if name not in self._parameters]:
            raise traitlets.TraitError(f"no parameter {unknown[0]!r}; there are {', '.join(self._parameters)}")
        try:
            return {name: parameter.check(given.get(name, parameter.default)) for name, parameter in self._parameters.items()}
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from error

    @traitlets.observe("values")
    def _fine(self, _change: Any) -> None:
        self.message = ""

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What the page changed; a value that cannot be is refused with a sentence, and the page is told the old one."""
        try:
            super().set_state(sync_data)
        except traitlets.TraitError as error:
            self.message = f"{error}; nothing was changed"
            self.send_state("values")
