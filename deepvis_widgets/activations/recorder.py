"""One forward pass, no longer than the deepest layer asked for, everything put back afterwards."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from torch import nn

    from deepvis_widgets.models import VisionModel

    from .layers import Layer


class _Enough(BaseException):
    """Ends a forward pass from inside a hook; a BaseException so that no network's own error handling catches it."""


@dataclass(frozen=True)
class Recording:
    """What one pass computed.

    Attributes:
        activations: by layer name, what ``keep`` made of (N, ...).
        output: what the network returned; None when the pass stopped before its end.
    """

    activations: Mapping[str, Any]
    output: Any = None


def record(
    model: VisionModel,
    x: Tensor,
    layers: Sequence[Layer],
    *,
    to_end: bool = False,
    keep: Callable[[Tensor], Any] = torch.clone,
) -> Recording:
    """Run a network and keep what the given layers computed.

    What is kept is what that layer computed, also when a later in-place operation writes over it. The pass stops at the
    last of the layers unless ``to_end``. Gradients are recorded if the caller has them enabled, to ``x`` only: the
    parameters are frozen meanwhile. The network is in eval mode meanwhile; its mode, ``requires_grad`` flags and hooks are
    as before afterwards, also after an exception.

    Args:
        model: the network.
        x: (N, C, H, W), normalised.
        layers: at least one, unless ``to_end``.
        to_end: run the whole network, for its output.
        keep: what to keep of an activation; called while it is what the layer computed, and has to copy what it keeps.
    """
    kept: dict[str, Any] = {}
    output = None
    with at_rest(model), hooked(_keepers(model.module, layers, kept, keep, to_end=to_end)):
        try:
            output = run(model, x)
        except _Enough:
            pass
        else:
            kept.update((name, keep(tensor)) for name, tensor in _of_root(layers, output))
    missing = [layer.name for layer in layers if layer.name not in kept]
    if missing:
        raise RuntimeError(f"{model.name} did not compute {', '.join(missing)} for this picture; its path depends on the data")
    return Recording(kept, output)


def record_input(model: VisionModel, x: Tensor, path: str, call: int = 0) -> Tensor:
    """Run a network up to one call of a module, and return what the module was given; as `record` otherwise.

    The pass stops before the module, so nothing in place can change what is returned.

    Args:
        model: the network.
        x: (N, C, H, W), normalised.
        path: the module's dotted name.
        call: which of its calls, from 0.
    """
    calls, given, thread = Counter[str](), list[Tensor](), threading.get_ident()

    def before(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if threading.get_ident() != thread:
            return
        calls[path] += 1
        if calls[path] > call:
            given.append(inputs[0])
            raise _Enough

    with at_rest(model):
        handle = model.module.get_submodule(path).register_forward_pre_hook(before)
        try:
            run(model, x)
        except _Enough:
            return given[0]
        finally:
            handle.remove()
    raise RuntimeError(f"{model.name} did not compute {path} for this picture; its path depends on the data")


def run(model: VisionModel, x: Tensor) -> Any:  # a network returns what it likes
    """One call of the network, with its own number type, channels last in memory (1.2 to 2 times faster on a CPU)."""
    return model.module(x.to(model.dtype).contiguous(memory_format=torch.channels_last))


@contextmanager
def at_rest(model: VisionModel) -> Iterator[None]:
    """Nobody else runs this model; it is in eval mode and, where gradients are recorded, its parameters are frozen."""
    with model.lock:
        training = [module for module in model.module.modules() if module.training]
        learning = [p for p in model.module.parameters() if p.requires_grad] if torch.is_grad_enabled() else []
        try:
            for module in training:
                module.training = False
            for parameter in learning:
                parameter.requires_grad_(False)
            yield
        finally:
            for module in training:
                module.training = True
            for parameter in learning:
                parameter.requires_grad_(True)


@contextmanager
def hooked(hooks: Iterable[tuple[nn.Module, Callable[..., None]]]) -> Iterator[None]:
    """Forward hooks for the duration, deaf to passes that other threads make through the same module."""
    thread = threading.get_ident()

    def mine(hook: Callable[..., None]) -> Callable[..., None]:
        return lambda *arguments: hook(*arguments) if threading.get_ident() == thread else None

    handles = []
    try:
        for module, hook in hooks:
            handles.append(module.register_forward_hook(mine(hook)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def flatten(output: Any) -> Iterator[tuple[str, Tensor]]:  # a module returns what it likes
    """The floating tensors in a module's result, each with where it stands: "", "[1]", "[out]", "[1][0]" ...."""
    if isinstance(output, Tensor):
        if output.is_floating_point() and output.ndim >= 2:
            yield "", output
    elif isinstance(output, dict):
        for key, value in output.items():
            yield from ((f"[{key}]{rest}", tensor) for rest, tensor in flatten(value))
    elif isinstance(output, list | tuple):
        for key, value in enumerate(output):
            yield from ((f"[{key}]{rest}", tensor) for rest, tensor in flatten(value))


def _keepers(
    module: nn.Module, layers: Sequence[Layer], kept: dict[str, Any], keep: Callable[[Tensor], Any], *, to_end: bool
) -> Iterator[tuple[nn.Module, Callable[..., None]]]:
    """Hooks that fill ``kept`` and end the pass with the last of the layers."""
    wanted: dict[str, list[Layer]] = {}
    for layer in layers:
        wanted.setdefault(layer.path, []).append(layer)
    calls: Counter[str] = Counter()

    def keeper(path: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            call = calls[path]
            calls[path] += 1
            here = [layer for layer in wanted[path] if layer.call == call]
            tensors = dict(flatten(output)) if here else {}
            last = len(kept) + len(here) == len(layers) and not to_end
            for layer in here:
                # Whatever runs after this may write over it in place (inplace=True); where nothing does, it is kept as it is.
                kept[layer.name] = tensors[layer.key] if last and keep is torch.clone else keep(tensors[layer.key])
            if last:
                raise _Enough

        return hook

    for path in wanted:
        if path:
            yield module.get_submodule(path), keeper(path)


def _of_root(layers: Sequence[Layer], output: Any) -> Iterator[tuple[str, Tensor]]:
    tensors = dict(flatten(output)) if any(not layer.path for layer in layers) else {}
    return ((layer.name, tensors[layer.key]) for layer in layers if not layer.path)
