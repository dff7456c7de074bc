"""What is recorded is what that layer computed: against an interpreter that copies every value before the next step runs."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any

import pytest
import torch
from captum.attr import LayerActivation
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves
from torchvision import models as zoo
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.models.vgg import cfgs, make_layers

import deepvis_widgets as dv
from tests.networks import Function, pictures, seeded, small_classifier, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable


class Copying(fx.Interpreter):
    """Runs a traced network and copies what each of its modules returns, by the name that we give it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(fx.symbolic_trace(module))
        self.seen: dict[str, Tensor] = {}
        self.calls: Counter[str] = Counter()

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        result = super().call_module(target, args, kwargs)
        call = self.calls[target]
        self.calls[target] += 1
        self.seen[target + (f"_{call}" if call else "")] = result.clone()
        return result


def vgg11() -> nn.Module:
    """Without the 400 MB of its fully connected layers."""
    head = nn.Linear(512, 10)
    return nn.Sequential(
        OrderedDict(features=make_layers(cfgs["A"]), avgpool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), classifier=head)
    )


BUILD: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: zoo.resnet18(num_classes=10),
    "densenet121": lambda: zoo.densenet121(num_classes=10),
    "vgg11": vgg11,
    "squeezenet1_1": lambda: zoo.squeezenet1_1(num_classes=10),
    "googlenet": lambda: zoo.googlenet(num_classes=10, init_weights=False, aux_logits=False),
}


@pytest.fixture(scope="module", params=BUILD)
def model(request: pytest.FixtureRequest) -> dv.VisionModel:
    return wrapped(seeded(BUILD[request.param]), (3, 64, 64), name=request.param)


@pytest.fixture(scope="module")
def inspector(model: dv.VisionModel) -> dv.Inspector:
    return dv.Inspector(model)


@pytest.fixture(scope="module")
def truth(model: dv.VisionModel) -> dict[str, Tensor]:
    interpreter = Copying(model.module)
    with torch.no_grad():
        interpreter.run(pictures(2, 3, 64, 64).contiguous(memory_format=torch.channels_last))
    return interpreter.seen


def test_layers_come_in_the_order_of_computation_with_their_kind_and_shape(
    inspector: dv.Inspector, truth: dict[str, Tensor]
) -> None:
    leaves = [layer for layer in inspector.layers if layer.name in truth]
    assert [layer.name for layer in leaves] == list(truth)
    for layer in leaves:
        assert layer.shape == truth[layer.name].shape[1:]
        assert layer.kind == type(inspector.model.module.get_submodule(layer.path)).__name__
    paths = {name for name, _ in inspector.model.module.named_modules() if name}
    assert {layer.path for layer in inspector.layers if layer.name != "output"} == paths


def test_all_layers_of_one_pass_are_what_each_computed(inspector: dv.Inspector, truth: dict[str, Tensor]) -> None:
    recorded = inspector.activations(pictures(2, 3, 64, 64), list(truth))
    assert list(recorded) == list(truth)
    for name, value in truth.items():
        assert torch.allclose(recorded[name], value, atol=1e-5), name


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet18", "layer1.0.bn1"),
        ("resnet18", "layer2.0"),
        ("densenet121", "features.denseblock1.denselayer1.norm1"),
        ("densenet121", "features.norm0"),
        ("vgg11", "features.0"),
        ("squeezenet1_1", "features.4.expand1x1"),
        ("googlenet", "inception3a"),
    ],
)
def test_one_layer_alone_is_what_torchvision_extracts_when_the_network_ends_there(name: str, layer: str) -> None:
    module = seeded(BUILD[name]).eval()
    x = pictures(1, 3, 64, 64)
    with torch.no_grad():
        theirs = create_feature_extractor(module, {layer: "it"})(x)["it"]
    ours = dv.Inspector(wrapped(module, (3, 64, 64))).activations(x, layer)
    assert torch.allclose(ours, theirs, atol=1e-5)
    if "bn" in layer or layer in ("features.0", "features.norm0"):
        assert ours.min() < 0  # an in-place ReLU comes next, and a plain hook would show what it leaves: 0


def test_where_nothing_is_in_place_captum_agrees() -> None:
    module = seeded(small_classifier).eval()
    module.relu = nn.ReLU()
    x = pictures(2, 3, 16, 16)
    inspector = dv.Inspector(wrapped(module))
    for name, child in module.named_children():
        theirs = LayerActivation(module, child).attribute(x)
        assert torch.allclose(inspector.activations(x, name), theirs, atol=1e-6), name


class Twice(nn.Module):
    """One ReLU, called twice, the second time in place of what the first returned."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.relu = nn.ReLU()
        self.relu_1 = nn.Identity()  # a module that has the name of the second call

    def forward(self, x: Tensor) -> Tensor:
        first: Tensor = self.relu(self.conv(x))
        second: Tensor = self.relu(first.sub_(0.3))
        return self.relu_1(second * 2)


def test_each_call_of_a_module_is_a_layer_of_its_own() -> None:
    module = seeded(Twice)
    inspector = dv.Inspector(wrapped(module))
    names = [layer.name for layer in inspector.layers]
    assert names == ["conv", "relu", "relu_1", "relu_1'"]
    x = pictures(2, 3, 16, 16)
    with torch.no_grad():
        first = module.conv(x).clamp(min=0)
        second = (first - 0.3).clamp(min=0)
    expected = dict(zip(names[1:], (first, second, second * 2), strict=True))
    together = inspector.activations(x, names[1:])
    for name, value in expected.items():
        assert torch.allclose(together[name], value, atol=1e-6)
        assert torch.allclose(inspector.activations(x, name), value, atol=1e-6)


def test_a_shared_relu_of_resnet18_shows_both_of_its_calls() -> None:
    module = seeded(BUILD["resnet18"]).eval()
    block = module.layer1[0]
    x = pictures(1, 3, 64, 64)
    recorded = dv.Inspector(wrapped(module, (3, 64, 64))).activations(x, ["layer1.0.relu", "layer1.0.relu_1", "layer1.0"])
    with torch.no_grad():
        entering = module.maxpool(torch.relu(module.bn1(module.conv1(x))))
        first = torch.relu(block.bn1(block.conv1(entering)))
        second = torch.relu(block.bn2(block.conv2(first)) + entering)
    assert torch.allclose(recorded["layer1.0.relu"], first, atol=1e-5)
    assert torch.allclose(recorded["layer1.0.relu_1"], second, atol=1e-5)
    assert torch.equal(recorded["layer1.0"], recorded["layer1.0.relu_1"])


SPLIT: dict[str, tuple[Callable[[Tensor], Any], list[str]]] = {
    "tuple": (lambda x: (x, x * 2), ["split", "split[1]"]),
    "list": (lambda x: [x, 3, x * 2], ["split", "split[2]"]),
    "dict": (lambda x: {"a": x, "b": x * 2}, ["split", "split[b]"]),
    "nested": (lambda x: ({"a": x}, [None, (x * 2,)]), ["split", "split[1][1][0]"]),
}


@pytest.mark.parametrize("kind", SPLIT)
def test_every_tensor_of_a_structured_result_is_a_layer(kind: str) -> None:
    function, names = SPLIT[kind]
    spoil = Function(lambda result: [leaf.zero_() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)].pop())
    network = nn.Sequential(OrderedDict(first=Function(lambda x: x + 1), split=Function(function), spoil=spoil))
    inspector = dv.Inspector(wrapped(network))
    assert [layer.name for layer in inspector.layers] == ["first", *names, "spoil"]
    x = pictures(1, 3, 16, 16)
    recorded = inspector.activations(x, names)
    assert torch.equal(recorded[names[0]], x + 1)
    assert torch.equal(recorded[names[1]], (x + 1) * 2)
    assert torch.equal(inspector.activations(x, names[1]), (x + 1) * 2)


class Functional(nn.Module):
    """Its end is no module."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.conv(x)
        return {"maps": y * 2, "vector": y.mean((2, 3))}


def test_what_no_module_computed_is_the_networks_output() -> None:
    module = seeded(Functional)
    inspector = dv.Inspector(wrapped(module))
    assert [layer.name for layer in inspector.layers] == ["conv", "output[maps]", "output[vector]"]
    x = pictures(1, 3, 16, 16)
    recorded = inspector.activations(x, ["output[maps]", "conv", "output[vector]"])
    assert torch.allclose(recorded["output[maps]"], recorded["conv"] * 2)
    assert torch.allclose(recorded["output[vector]"], recorded["conv"].mean((2, 3)), atol=1e-6)


class Counting(nn.Module):
    """Counts how often it runs."""

    def __init__(self, counts: Counter[str], name: str) -> None:
        super().__init__()
        self.counts, self.name = counts, name

    def forward(self, x: Tensor) -> Tensor:
        self.counts[self.name] += 1
        return x + 1


@pytest.mark.parametrize(("asked", "ran"), [("a", "a"), ("ba", "ab"), ("ac", "abc"), ("d", "abcd")])
def test_a_pass_runs_every_module_up_to_the_deepest_once_and_none_behind_it(asked: str, ran: str) -> None:
    counts: Counter[str] = Counter()
    module = nn.Sequential(OrderedDict((name, Counting(counts, name)) for name in "abcd"))
    inspector = dv.Inspector(wrapped(module))
    assert len(inspector.layers) == 4
    counts.clear()
    inspector.activations(pictures(1, 3, 16, 16), list(asked))
    assert counts == Counter(ran)


def test_no_layer_is_no_pass_and_a_layer_asked_for_twice_is_one() -> None:
    counts: Counter[str] = Counter()
    inspector = dv.Inspector(wrapped(nn.Sequential(Counting(counts, "a"))))
    assert len(inspector.layers) == 1
    counts.clear()
    assert inspector.activations(pictures(1, 3, 16, 16), []) == {}
    assert not counts
    assert list(inspector.activations(pictures(1, 3, 16, 16), ["0", "0"])) == ["0"]


def test_an_unknown_layer_is_named_with_its_neighbours() -> None:
    inspector = dv.Inspector(wrapped(seeded(small_classifier), name="mine"))
    with pytest.raises(ValueError, match=r"mine has no layer 'cov'; near: conv"):
        inspector.activations(pictures(1, 3, 16, 16), "cov")


def test_a_path_that_depends_on_the_picture_is_told_and_not_made_up() -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dark, self.light = nn.ReLU(), nn.Sigmoid()

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.light(x) if x.mean() > 0 else self.dark(x)
            return result

    inspector = dv.Inspector(wrapped(Fork(), name="fork"))
    with pytest.raises(RuntimeError, match="fork did not compute dark"):
        inspector.activations(torch.ones(1, 3, 16, 16), "dark")
