"""Score and gradient of a batch of pictures, as fast as the machine has them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from .redirect import RedirectedReLU

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from deepvis_widgets.models import VisionModel

    from .objectives import Objective
    from .target import Target

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class Evaluation:
    """What one forward and backward pass gave.

    Attributes:
        scores: (B,) float32.
        gradient: (B, C, H, W) float32, of each score with respect to its picture.
        top: (B,) the unit that the layer responds with most.
        strongest: (B,) whether that is ours.
    """

    scores: Tensor
    gradient: Tensor
    top: Tensor
    strongest: Tensor


class GradientOf:
    """The objective as a function of pictures in 0..255 minus the mean colour.

    The network's own normalisation is inside, so that step size, decay and noise mean the same for every network. The pass
    ends where the objective reads; nothing of the network is changed.

    Args:
        model: the network.
        target: where the objective reads.
        objective: the units.
        precision: "auto" for bfloat16 where the processor multiplies it natively, with pictures, scores, gradients and
            updates in float32; "float32" or "bfloat16" to insist.
    """

    def __init__(self, model: VisionModel, target: Target, objective: Objective, precision: Precision) -> None:
        self.objective = objective
        self.low_precision = precision == "bfloat16" or (precision == "auto" and has_bfloat16(model.device))
        with model.lock:  # while another thread's pass runs, the network has that one's weights
            self.low_precision &= model.dtype == torch.float32
            self.model = replace(model, module=_Prepared(model.module, target.weighted if self.low_precision else ()))
        self.target = target.inside("network")
        std = torch.tensor(model.std, dtype=torch.float32, device=model.device)
        self._scale = (1 / (255 * std)).view(1, -1, 1, 1)

    def __call__(
        self, x: Tensor, view: Callable[[Tensor], Tensor] | None = None, redirected: Tensor | None = None
    ) -> Evaluation:
        """One forward and one backward pass.

        Args:
            x: (B, C, H, W) float32.
            view: what is done to the pictures before the network sees them; differentiable.
            redirected: (B,) bool, which samples get the redirected gradient of `RedirectedReLU`.
        """
        device = x.device.type
        with torch.inference_mode(mode=False), torch.enable_grad():
            leaf = x.detach().requires_grad_(view is not None)
            seen = view(leaf) if view else leaf
            # The network's input is the leaf: scaling and the change of memory order then cost no second, slower, pass back.
            z = (seen.detach() * self._scale).contiguous(memory_format=torch.channels_last).requires_grad_()
            mode = RedirectedReLU(redirected) if redirected is not None else nullcontext()
            with torch.autocast(device, torch.bfloat16, enabled=self.low_precision), mode:
                activation = self.target.read(self.model, z)
            scores = self.objective.scores(activation)
            found: Sequence[Tensor | None] = torch.autograd.grad(scores.sum(), z, allow_unused=True)
            gradient = torch.zeros_like(x) if found[0] is None else found[0].contiguous() * self._scale
            if view is not None:
                (gradient,) = torch.autograd.grad(seen, leaf, gradient)
        return Evaluation(scores.detach(), gradient, *self.objective.strongest(activation, scores))

    def activation(self, x: Tensor) -> Tensor:
        """What the objective reads, (B, ...), for pictures (B, C, H, W) as they are; one forward pass."""
        with torch.no_grad(), torch.autocast(x.device.type, torch.bfloat16, enabled=self.low_precision):
            return self.target.read(self.model, x * self._scale)


def has_bfloat16(device: torch.device) -> bool:
    """Whether this machine multiplies bfloat16 natively; where it does not, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    able: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


class _Prepared(nn.Module):
    """A network about to run many times: with bfloat16 weights in some places, and its parts looked up once.

    Left to autocast, weights are converted at every step: half the time of a small network's fc6. Walking through all modules
    and parameters at every step costs as much as a tenth of a small network's pass. Nothing of the network itself is changed
    between two passes.

    Args:
        network: what runs.
        weighted: the names of the modules whose parameters are converted.
    """

    def __init__(self, network: nn.Module, weighted: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self._all_modules, self._all_parameters = (self, *network.modules()), tuple(network.parameters())
        self._swaps: list[tuple[dict[str, Any], str, Tensor]] = []
        for path in weighted:
            module = network.get_submodule(path)
            slots: dict[str, Any] = module._parameters  # noqa: SLF001 - `functional_call` does the same, at a millisecond a pass
            self._swaps += [(slots, name, _bfloat16(value)) for name, value in module.named_parameters(recurse=False)]

    def modules(self, *_: Any, **__: Any) -> Iterator[nn.Module]:
        """As they were at the beginning."""
        return iter(self._all_modules)

    def parameters(self, *_: Any, **__: Any) -> Iterator[nn.Parameter]:
        """As they were at the beginning."""
        return iter(self._all_parameters)

    def forward(self, x: Tensor) -> Any:
        """The network's own."""
        own = [slots[name] for slots, name, _ in self._swaps]
        try:
            for slots, name, value in self._swaps:
                slots[name] = value
            return self.network(x)
        finally:
            for (slots, name, _), value in zip(self._swaps, own, strict=True):
                slots[name] = value


def _bfloat16(parameter: Tensor) -> Tensor:
    value = parameter.detach().bfloat16()
    return value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value
