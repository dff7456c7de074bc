"""visualize(): a whole run, and Visualization: what came of it, which can be saved, loaded and made again."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from .ascent import ascend
from .climb import End, Step
from .display import render, render_unscaled, sheet
from .highlights import Highlights, History
from .recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Unpack

    import numpy as np
    from numpy.typing import NDArray

    from deepvis_widgets.activations import Layer
    from deepvis_widgets.models import VisionModel

    from .ascent import Options

FORMAT = 1  # of the saved files


def visualize(
    model: VisionModel,
    layer: str | Layer,
    unit: int | Sequence[int],
    *,
    on_step: Callable[[Step], Any] | None = None,
    **options: Unpack[Options],
) -> Visualization:
    """The pictures that a unit responds to; `ascend` to its end.

    Args:
        model: the network.
        layer: its name.
        unit: the channel of a map or the neuron of a vector; or one for each sample.
        on_step: called with every step, for a progress bar; returning False stops the run, and what there is is kept.
        **options: as `ascend` takes them.
    """
    highlights = Highlights()
    for step in ascend(model, layer, unit, **options):
        highlights.add(step)
        if on_step is not None and on_step(step) is False:
            break
    return Visualization.of(highlights, model, Recipe.of(layer, unit, options, highlights.changes))


@dataclass(frozen=True, eq=False)
class Visualization:
    """The pictures of a run and how they came about.

    Attributes:
        x: (B, C, H, W) float32 on the CPU, 0..255 minus the mean colour: of each sample the picture with the best score.
        scores: (B,) its score.
        indices: (B,) the step it is from.
        last: (B, C, H, W) the pictures of the last step.
        first_majority: (B, C, H, W) the first pictures for which the unit was the strongest of its layer; else zeros.
        majority_indices: (B,) the steps of those; -1 where it never was.
        history: the numbers of every step.
        ends: why each sample ended, with what to try where it did not go well.
        recipe: the call that makes this again.
        network: the model's name.
        mean: of the model's input, in 0..1, one a channel.
        versions: of the software that made it.
    """

    x: Tensor
    scores: Tensor
    indices: Tensor
    last: Tensor
    first_majority: Tensor
    majority_indices: Tensor
    history: History
    ends: tuple[End, ...]
    recipe: Recipe
    network: str
    mean: tuple[float, ...]
    versions: dict[str, str]

    @classmethod
    def of(cls, highlights: Highlights, model: VisionModel, recipe: Recipe) -> Self:
        """From a run that anyone has driven."""
        pictures = (tensor.detach().cpu() for tensor in (highlights.best, highlights.last.x, highlights.first_majority))
        x, last, first_majority = pictures
        return cls(
            x, highlights.best_scores, highlights.best_indices, last, first_majority, highlights.majority_indices,
            highlights.history, highlights.ends(), recipe, model.name, tuple(model.mean), _versions(model.device),
        )  # fmt: skip

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides what the pictures become, as JSON has it."""
        return self.recipe.to_json()

    @property
    def images(self) -> NDArray[np.uint8]:
        """(B, H, W, C) uint8, around mid-grey; see `render`."""
        return self.render()

    def render(self, *, contrast: float = 1.0, shared: bool = True, unscaled: bool = False) -> NDArray[np.uint8]:
        """The pictures as bytes, (B, H, W, C), for the eye; see `display`.

        Args:
            contrast: above 1 for more.
            shared: one scale for all samples.
            unscaled: in their own colours instead, x plus the mean colour.
        """
        return render_unscaled(self.x, self.mean) if unscaled else render(self.x, contrast=contrast, shared=shared)

    def rerun(self, model: VisionModel, *, on_step: Callable[[Step], Any] | None = None) -> Visualization:
        """The same again, changes of settings on the way included; the same bits on the same device and versions."""
        call = self.recipe
        options = call.options.copy()
        options["steer"] = call.steer()
        return visualize(model, call.layer, call.unit, on_step=on_step, **options)

    def save(self, path: str | Path) -> Path:
        """Write ``path`` with three endings: .png (all samples on a sheet), .json (settings, versions, scores), .safetensors.

        The last holds the pictures as numbers and the history. Returns the path of the JSON.
        """
        stem = _stem(path)
        stem.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet(self.images)).save(stem.with_name(stem.name + ".png"))
        tensors = {name: getattr(self, name) for name in PICTURES} | {
            f"history.{f.name}": getattr(self.history, f.name) for f in fields(History)
        }
        tensors |= {f"start.{name}": value for name, value in self.recipe.tensors().items()}
        save_file(
            {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()},
            stem.with_name(stem.name + ".safetensors"),
        )
        text = stem.with_name(stem.name + ".json")
        text.write_text(json.dumps(self._describe(), indent=1) + "\n", encoding="utf-8")
        return text

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """What `save` wrote; the path with or without one of the endings.

        Raises:
            ValueError: the file is of another kind.
        """
        stem = _stem(path)
        found = json.loads(stem.with_name(stem.name + ".json").read_text(encoding="utf-8"))
        if found.get("deepvis_widgets.visualization") != FORMAT:
            raise ValueError(f"{path} is no visualization that this version can read")
        tensors = load_file(stem.with_name(stem.name + ".safetensors"))
        history = History(**{field.name: tensors[f"history.{field.name}"] for field in fields(History)})
        start = {name.partition(".")[2]: value for name, value in tensors.items() if name.startswith("start.")}
        return cls(
            **{name: tensors[name] for name in PICTURES},
            history=history,
            ends=tuple(End(**end) for end in found["ends"]),
            recipe=Recipe.from_json(found["settings"], start),
            network=found["network"],
            mean=tuple(found["mean"]),
            versions=found["versions"],
        )

    def _describe(self) -> dict[str, Any]:
        return {
            "deepvis_widgets.visualization": FORMAT,
            "network": self.network,
            "scores": [round(score, 6) for score in self.scores.tolist()],
            "indices": self.indices.tolist(),
            "settings": self.settings,
            "ends": [vars(end) for end in self.ends],
            "mean": list(self.mean),
            "versions": self.versions,
        }


PICTURES = ("x", "scores", "indices", "last", "first_majority", "majority_indices")


def _stem(path: str | Path) -> Path:
    path = Path(path)
    return path.with_suffix("") if path.suffix in (".png", ".json", ".safetensors") else path


def _versions(device: torch.device) -> dict[str, str]:
    try:
        ours = metadata.version("deepvis_widgets")
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        ours = "unknown"
    return {
        "deepvis_widgets": ours,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {platform.machine()}",
    }
