"""Predictions are the classes that the network's own output ranks first, and only a classifier has any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

import deepvis_widgets as dv
from tests.networks import Function, pictures, seeded, small_classifier, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable


def test_logits_become_probabilities_of_the_right_labels_most_probable_first() -> None:
    module = seeded(small_classifier).eval()
    labels = [f"the {i}th" for i in range(7)]
    x = pictures(3, 3, 16, 16)
    with torch.no_grad():
        expected = module(x).double().softmax(1)
    predictions = dv.Inspector(wrapped(module, labels=labels)).predict(x, k=7)
    assert len(predictions) == 3
    for row, truth in zip(predictions, expected, strict=True):
        assert [prediction.index for prediction in row] == truth.argsort(descending=True).tolist()
        for prediction in row:
            assert prediction.probability == pytest.approx(truth[prediction.index].item(), abs=1e-6)
            assert prediction.label == labels[prediction.index]


def test_probabilities_are_not_softmaxed_again() -> None:
    module = nn.Sequential(seeded(small_classifier), nn.Softmax(1))
    x = pictures(2, 3, 16, 16)
    with torch.no_grad():
        expected = module.eval()(x)
    predictions = dv.Inspector(wrapped(module)).predict(x, k=1)
    assert [row[0].probability for row in predictions] == pytest.approx(expected.amax(1).tolist(), abs=1e-6)


def test_there_are_k_predictions_or_as_many_as_classes_and_missing_labels_are_numbered() -> None:
    inspector = dv.Inspector(wrapped(seeded(small_classifier), labels=["only one"]))
    x = pictures(1, 3, 16, 16)
    assert [len(inspector.predict(x, k)[0]) for k in (1, 3, 100)] == [1, 3, 7]
    assert {p.label for p in inspector.predict(x, 7)[0]} == {"only one", *(f"class {i}" for i in range(1, 7))}


CLASSIFIERS: dict[str, Callable[[Tensor], Any]] = {
    "tuple": lambda logits: (logits, logits[:, :2]),
    "dict": lambda logits: {"logits": logits, "hidden": logits[:, :2]},
}


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_classifier_may_return_its_logits_first_in_a_structure(kind: str) -> None:
    module = seeded(small_classifier)
    x = pictures(2, 3, 16, 16)
    structured = dv.Inspector(wrapped(nn.Sequential(module, Function(CLASSIFIERS[kind])))).predict(x)
    assert structured == dv.Inspector(wrapped(module)).predict(x)


OTHERS: dict[str, Callable[[Tensor], Any]] = {
    "segmentation": lambda x: {"out": x, "aux": x},
    "maps": lambda x: x,
    "detection": lambda x: [{"boxes": x.new_zeros(1, 4), "labels": x.new_zeros(1), "scores": x.new_ones(1)}],
    "a number": lambda x: x.mean(),
    "nothing": lambda x: None,
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_classifier_says_so(kind: str) -> None:
    inspector = dv.Inspector(wrapped(nn.Sequential(nn.ReLU(), Function(OTHERS[kind])), name="net"))
    with pytest.raises(ValueError, match="net is no classifier"):
        inspector.predict(pictures(1, 3, 16, 16))


def test_a_class_whose_probability_is_no_number_is_left_out() -> None:
    module = nn.Sequential(seeded(small_classifier), Function(lambda logits: logits * torch.tensor([[1.0], [torch.nan]])))
    good, bad = dv.Inspector(wrapped(module)).predict(pictures(2, 3, 16, 16)[:1].repeat(2, 1, 1, 1), k=3)
    assert len(good) == 3
    assert bad == ()
