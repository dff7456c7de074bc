"""Score and gradient of a batch of pictures, as fast as the machine has them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .redirect import RedirectedReLU

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
        self.low_precision &= model.dtype == torch.float32
        self.model = _with_weights(model, _bfloat16_weights(model.module, target)) if self.low_precision else model
        self.target = target.inside("network") if self.low_precision else target
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


class _Reweighted(nn.Module):
    """A network that runs with other weights in the place of some of its own, which stay what they are."""

    def __init__(self, network: nn.Module, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.network = network
        self._weights = weights

    def forward(self, x: Tensor) -> Any:
        return functional_call(self.network, self._weights, (x,))


def _with_weights(model: VisionModel, weights: dict[str, Tensor]) -> VisionModel:
    return replace(model, module=_Reweighted(model.module, weights))


def _bfloat16_weights(module: nn.Module, target: Target) -> dict[str, Tensor]:
    """Converted once a run. Left to autocast, they are converted at every step: half the time of a small network's fc6."""
    weights = {}
    for path in target.weighted:
        for name, parameter in module.get_submodule(path).named_parameters(path, recurse=False):
            value = parameter.detach().bfloat16()
            weights[name] = value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value
    return weights
