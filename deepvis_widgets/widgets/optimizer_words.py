"""What a FeatureOptimizer says of its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepvis_widgets.activations import Inspector
    from deepvis_widgets.synthesis import Step

    from .optimizer_controls import Choice

ENDS = {"steps done": "done", "stopped": "stopped", "zero gradient": "ended: no gradient", "not finite": "ended: not finite"}


@dataclass(frozen=True)
class Wording:
    """The words for a unit.

    Attributes:
        choice: what is made.
        inspector: of the network.
    """

    choice: Choice
    inspector: Inspector

    @property
    def name(self) -> str:
        """In text form: conv5:12."""
        return f"{self.choice.layer}:{self.choice.unit}"

    @property
    def title(self) -> str:
        """And the class, where the unit is one."""
        return f"{self.name} {self.unit(self.choice.unit).partition(' ')[2]}".strip()

    def caption(self, *, stretched: bool) -> str:
        """What stands above the pictures."""
        position, (height, width) = self.choice.position, self.choice.size
        place = "" if position is None else f"@{','.join(map(str, position))}"
        where = ", whole channel" if position == "mean" else place
        return f"{self.title}{where} · {height} × {width} · {'around mid-grey' if stretched else 'in its own colours'}"

    def of(self, step: Step, sample: int, state: str, steps: int, rate: float) -> dict[str, str]:
        """What stands above the curve.

        Args:
            step: which one.
            sample: the selected one.
            state: of the run.
            steps: how many it has.
            rate: steps a second.
        """
        end, top = step.ends[sample], int(step.top[sample])
        strongest = f"strongest here: {self.unit(top)}"
        if top == self.choice.unit:
            strongest = "the layer's strongest unit" + ("" if step.strongest[sample] else ", but elsewhere")
        return {
            "step": f"step {step.index + 1} / {steps}",
            "rate": f"{rate:.0f} steps/s" if state == "running" else ENDS[end.reason] if end else _still(state),
            "score": f"score {step.scores[sample]:.2f}",
            "note": strongest + (" · helped off the ground" if step.redirected[sample] else ""),
        }

    def unit(self, unit: int) -> str:
        """Number and class."""
        labels, units = self.inspector.model.labels, self.inspector.layer(self.choice.layer).units
        return f"{unit} {labels[unit]}" if labels and len(labels) == units else str(unit)


def advice(step: Step) -> str:
    """Why samples did not come to their end, and what to try; "" where all did."""
    found = {f"At step {end.index + 1}: {end.advice}." for end in step.ends if end is not None and end.advice}
    return " ".join(sorted(found))


def _still(state: str) -> str:
    return "stopped" if state == "done" else state
