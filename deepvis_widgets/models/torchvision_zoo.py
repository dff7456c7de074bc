"""Any torchvision model by name, with its own weights, transforms and labels."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import torch
from safetensors.torch import load_file
from torchvision import models as zoo
from torchvision.transforms import InterpolationMode

from . import bundled
from .vision_model import VisionModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchvision.models import WeightsEnum

# Their builders rescale the input only when they load the weights themselves (which would unpickle them), and warn of a slow
# initialisation unless told.
INCEPTIONS = ("googlenet", "inception_v3")


class WeightsError(RuntimeError):
    """Weights that cannot be had; the message says which file was looked for, where, and what to do."""


@cache
def list_models() -> tuple[str, ...]:
    """The names that `load` takes: the bundled network, then torchvision's for single pictures."""
    families = (zoo, zoo.segmentation, zoo.detection)
    return (bundled.NAME, *(name for family in families for name in zoo.list_models(module=family)))


def load(name: str, *, weights: str | Path | None = "DEFAULT") -> VisionModel:
    """A network by name.

    Args:
        name: one of `list_models`.
        weights: "DEFAULT" (the best that torchvision has), a name such as "IMAGENET1K_V1", the path of a checkpoint (a
            state dict as ``.safetensors``, or written by ``torch.save``), or None for random values. caffenet-mini has
            its own and takes "DEFAULT" only. Checkpoints are never unpickled.

    Raises:
        ValueError: no such model, or no such weights.
        WeightsError: the weights can be neither found nor downloaded, or do not fit.
    """
    if name not in list_models():
        near = difflib.get_close_matches(name, list_models(), n=3) or list_models()[:3]
        raise ValueError(f"no model is called {name!r}; near: {', '.join(near)}; all: deepvis_widgets.list_models()")
    if name == bundled.NAME:
        if weights != "DEFAULT":
            raise ValueError(f"{name} comes with its own weights; weights must be 'DEFAULT', not {weights!r}")
        return bundled.load_bundled()
    if weights is None:
        return _model(name, zoo.get_model(name, **_builder_options(name, _entry(name, "DEFAULT"))), None)
    if _is_path(weights):
        return _from_checkpoint(name, Path(weights))
    return _pretrained(name, _entry(name, str(weights)))


def _pretrained(name: str, entry: WeightsEnum) -> VisionModel:
    state = _download(name, entry)
    module = zoo.get_model(name, num_classes=len(entry.meta["categories"]), **_builder_options(name, entry))
    if name in INCEPTIONS:
        module.transform_input = True
    module.load_state_dict(state)
    return _model(name, module, entry)


def _download(name: str, entry: WeightsEnum) -> Mapping[str, Any]:
    """From the cache, or by download into it."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / Path(urlparse(entry.url).path).name
    try:
        return dict(entry.get_state_dict(check_hash=True, weights_only=True))
    except Exception as error:  # no network, no such file, no room on the disk, a file cut short
        raise WeightsError(
            f"the weights of {name} could not be had: {file.name} is not usable in {folder}, and the download failed "
            f"({error}). Put the file there, or use the bundled network: deepvis_widgets.load({bundled.NAME!r})"
        ) from error


def _from_checkpoint(name: str, path: Path) -> VisionModel:
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
        for key in ("state_dict", "model"):  # what training scripts wrap it in
            state = state[key] if isinstance(state.get(key), dict) else state
    except Exception as error:
        raise WeightsError(f"{path} cannot be read as a state dict: {error}") from error
    entry = _entry(name, "DEFAULT")
    options = _builder_options(name, entry)
    module = zoo.get_model(name, **options)
    # Fine-tuned networks have their own number of classes; in every torchvision classifier the head comes last.
    head, own = list(module.state_dict().items())[-1]
    classes = len(state[head]) if head in state else len(own)
    try:
        if classes != len(own):
            module = zoo.get_model(name, num_classes=classes, **options)
        module.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit {name}: {error}") from error
    return _model(name, module, entry, labels=classes == len(entry.meta["categories"]))


def _model(name: str, module: torch.nn.Module, entry: WeightsEnum | None, *, labels: bool = True) -> VisionModel:
    """With the input format of the weights; without weights, that of the default ones."""
    preset = (entry or _entry(name, "DEFAULT")).transforms()
    resize = (getattr(preset, "resize_size", None) or [512])[0]
    crop = (getattr(preset, "crop_size", None) or [resize])[0]
    return VisionModel(
        name,
        module.eval(),
        (3, crop, crop),
        tuple(getattr(preset, "mean", (0.0,) * 3)),
        tuple(getattr(preset, "std", (1.0,) * 3)),
        tuple(entry.meta["categories"]) if entry and labels else None,
        resize / crop,
        getattr(preset, "interpolation", InterpolationMode.BILINEAR),
    )


def _entry(name: str, weights: str) -> WeightsEnum:
    choices = zoo.get_model_weights(name)
    names = [choice for choice in choices.__members__ if choice != "DEFAULT"]
    if weights not in ("DEFAULT", *names):
        raise ValueError(f"{name} has no weights {weights!r}; give 'DEFAULT', {names}, a path or None")
    entry: WeightsEnum = choices[weights]
    return entry


def _builder_options(name: str, entry: WeightsEnum) -> dict[str, Any]:
    """What gives a network the shape that the weights have, without a download of its own or a slow initialisation."""
    if name in zoo.list_models(module=zoo.detection) or name.startswith("lraspp"):
        return {"weights_backbone": None}
    if name in zoo.list_models(module=zoo.segmentation):
        return {"weights_backbone": None, "aux_loss": True}
    if name.startswith("vit_"):
        return {"image_size": entry.meta["min_size"][0]}
    return {"init_weights": False} if name in INCEPTIONS else {}


def _is_path(weights: str | Path) -> bool:
    return isinstance(weights, Path) or Path(weights).suffix in (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
