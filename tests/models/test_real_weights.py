"""On real ImageNet weights and full-size photographs, we say what torchvision says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from PIL import Image
from torchvision import models as zoo

import deepvis_widgets as dv
from tests.networks import seeded

if TYPE_CHECKING:
    from pathlib import Path


def test_squeezenet_gets_the_same_numbers_and_gives_the_same_classes_photo_by_photo(shared: Path, torch_home: Path) -> None:
    photos = sorted((shared / "data" / "photos").glob("*.jpg"))
    assert len(photos) == 96
    weights = zoo.SqueezeNet1_0_Weights.DEFAULT
    theirs = seeded(lambda: zoo.squeezenet1_0(weights=weights)).eval()
    model = seeded(lambda: dv.load("squeezenet1_0"))
    inspector = dv.Inspector(model)
    transform, right = weights.transforms(), 0
    for start in range(0, len(photos), 24):
        batch = photos[start : start + 24]
        expected = torch.stack([transform(Image.open(photo).convert("RGB")) for photo in batch])
        ours = model.preprocess(batch)
        assert torch.equal(ours, expected)
        with torch.no_grad():
            top = theirs(expected).softmax(1).max(1)
        predictions = [first for (first,) in inspector.predict(ours, k=1)]
        assert [prediction.index for prediction in predictions] == top.indices.tolist()
        assert torch.allclose(torch.tensor([prediction.probability for prediction in predictions]), top.values, atol=1e-5)
        right += sum(
            prediction.label.replace(" ", "_") in photo.stem for prediction, photo in zip(predictions, batch, strict=True)
        )
    assert right > len(photos) / 2  # the labels are those of the outputs: each photo's class is in its name
