"""Looking into a network changes nothing about it: after success, after an exception, on any thread, in any mode."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

import deepvis_widgets as dv
from tests.networks import pictures, seeded, small_classifier, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 60  # seconds


class Fuse(nn.Module):
    """Lets everything through, until it is lit."""

    def __init__(self) -> None:
        super().__init__()
        self.lit = False

    def forward(self, x: Tensor) -> Tensor:
        if self.lit:
            raise ArithmeticError("the fuse blew")
        return x * 1


def mixed() -> nn.Sequential:
    """In training, but for its dropout; half of it frozen; with hooks of its owner's; not all of it channels last."""
    network = small_classifier()
    network.flat = nn.Sequential(Fuse(), *network.flat)
    network.add_module("drop", nn.Dropout(0.9))
    network.train()
    network.drop.eval()
    network.deep.requires_grad_(False)
    network.conv.to(memory_format=torch.channels_last)
    return network


def everything(module: nn.Module) -> dict[str, Any]:
    """All that a user could notice."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {
        "training": {name: child.training for name, child in module.named_modules()},
        "requires_grad": {name: tensor.requires_grad for name, tensor in tensors.items()},
        "gradients": {name: tensor.grad for name, tensor in tensors.items()},
        "memory": {name: (tensor.data_ptr(), tensor.stride(), tensor.dtype) for name, tensor in tensors.items()},
        "values": {name: tensor.detach().flatten().tolist() for name, tensor in tensors.items()},
        "hooks": {
            name: [list(getattr(child, kind)) for kind in vars(child) if kind.endswith("_hooks")]
            for name, child in module.named_modules()
        },
        "attributes": {name: sorted(vars(child)) for name, child in module.named_modules()},
        "modules": [(name, id(child)) for name, child in module.named_modules()],
    }


LOOK: dict[str, Callable[[dv.Inspector, Tensor], object]] = {
    "layers": lambda inspector, x: dv.Inspector(inspector.model).layers,
    "one layer": lambda inspector, x: inspector.activations(x, "relu"),
    "the last layers": lambda inspector, x: inspector.activations(x, ["head", "drop"]),
    "predictions": lambda inspector, x: inspector.predict(x),
}


@pytest.mark.parametrize("look", LOOK)
@pytest.mark.parametrize("blown", [False, True], ids=["after success", "after an exception"])
def test_mode_gradients_hooks_memory_and_buffers_are_as_before(look: str, blown: bool) -> None:
    module = seeded(mixed)
    owners = module.relu.register_forward_hook(lambda *_: None)
    try:
        before = everything(module)
        inspector = dv.Inspector(dv.wrap(module, input_size=(3, 16, 16)))
        assert len(inspector.layers) == 11
        module.flat[0].lit = blown
        x = pictures(2, 3, 16, 16)
        kept = x.clone()
        if blown and look != "one layer":
            with pytest.raises(ArithmeticError, match="the fuse blew"):
                LOOK[look](inspector, x)
        else:  # a pass that stops in time never meets the fuse
            LOOK[look](inspector, x)
        assert everything(module) == before
        assert torch.equal(x, kept)
    finally:
        owners.remove()


def test_a_picture_that_cannot_be_used_changes_nothing_either() -> None:
    module = seeded(mixed)
    inspector = dv.Inspector(dv.wrap(module, input_size=(3, 16, 16)))
    before = everything(module)
    with pytest.raises(dv.ImageError):
        inspector.activations([torch.zeros(3, 16, 16, dtype=torch.uint8), "missing.png"], "relu")
    assert everything(module) == before


def test_the_network_runs_in_eval_mode_meanwhile() -> None:
    module = seeded(mixed)
    inspector = dv.Inspector(dv.wrap(module, input_size=(3, 16, 16)))
    x = pictures(2, 3, 16, 16)
    first, again = inspector.activations(x, "drop"), inspector.activations(x, "drop")
    assert torch.equal(first, again)  # dropout of nine in ten would show
    with torch.no_grad():
        expected = seeded(mixed).eval()(x)
    assert torch.allclose(first, expected, atol=1e-5)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_what_is_recorded_does_not_depend_on_the_callers_grad_mode(mode: Callable[[], Any]) -> None:
    module = seeded(mixed)
    x = pictures(1, 3, 16, 16)
    plain = dv.Inspector(dv.wrap(module, input_size=(3, 16, 16)))
    with mode():
        inspector = dv.Inspector(dv.wrap(module, input_size=(3, 16, 16)))
        assert inspector.layers == plain.layers
        inside = inspector.activations(x, ["relu", "deep"])
        predictions = inspector.predict(x)
    outside = plain.activations(x, ["relu", "deep"])
    assert all(torch.equal(inside[name], value) for name, value in outside.items())
    assert not any(value.requires_grad for value in outside.values())
    assert predictions == plain.predict(x)


def test_two_threads_at_once_get_each_what_they_would_get_alone() -> None:
    inspector = dv.Inspector(dv.wrap(seeded(mixed), input_size=(3, 16, 16)))
    before = everything(inspector.model.module)
    jobs = [(pictures(1, 3, 16, 16, seed=i), ("relu", "deep", "conv", "drop")[i % 4]) for i in range(60)]
    alone = [inspector.activations(x, layer) for x, layer in jobs]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda job: inspector.activations(*job), jobs))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
    assert everything(inspector.model.module) == before


class Gate(nn.Module):
    """Holds up one thread, and tells when it is there."""

    def __init__(self) -> None:
        super().__init__()
        self.held: int | None = None
        self.there, self.open = threading.Event(), threading.Event()

    def forward(self, x: Tensor) -> Tensor:
        if threading.get_ident() == self.held:
            self.there.set()
            assert self.open.wait(PATIENCE)
        return x + 1


def test_a_pass_that_somebody_else_makes_meanwhile_is_neither_recorded_nor_cut_short() -> None:
    gate = Gate()
    module = nn.Sequential(gate, nn.ReLU(), nn.Tanh())
    inspector = dv.Inspector(wrapped(module))
    assert len(inspector.layers) == 3
    mine, theirs = pictures(1, 3, 16, 16), pictures(1, 3, 16, 16, seed=1)

    def record() -> Tensor:
        gate.held = threading.get_ident()
        return inspector.activations(mine, "1")

    with ThreadPoolExecutor(1) as pool:
        recording = pool.submit(record)
        try:
            assert gate.there.wait(PATIENCE)
            output = module(theirs)  # as an owner would, without asking us
        finally:
            gate.open.set()
        recorded = recording.result(PATIENCE)
    assert torch.equal(output, (theirs + 1).relu().tanh())
    assert torch.equal(recorded, (mine + 1).relu())


def test_an_activation_is_a_value_of_its_own() -> None:
    inspector = dv.Inspector(wrapped(seeded(small_classifier)))
    x = pictures(1, 3, 16, 16)
    first = inspector.activations(x, "conv")
    kept = first.clone()
    inspector.activations(pictures(1, 3, 16, 16, seed=1), ["conv", "head"])
    assert torch.equal(first, kept)
    first.zero_()
    assert torch.equal(inspector.activations(x, "conv"), kept)
