"""How the colours of photographs go together: ``python -m deepvis_widgets.synthesis.colour_statistics FOLDER``.

FOLDER holds Tiny-ImageNet as `deepvis_widgets.models.train_bundled` takes it. Writes to the standard output, as JSON, what
`parameterizations.COLOUR_ROOT` is set to: the root of the covariance of red, green and blue over all pixels of all pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from deepvis_widgets.models.train_bundled import read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


def covariance(batches: Iterable[Tensor]) -> Tensor:
    """Of the channels over all pixels; (N, H, W, C) uint8 each -> (C, C) float64, for values in 0..1."""
    count, total, products = 0, torch.zeros(()), torch.zeros(())
    for batch in batches:
        for part in batch.split(1000):
            pixels = part.flatten(0, 2).double() / 255
            count, total, products = count + len(pixels), total + pixels.sum(0), products + pixels.T @ pixels
    mean = total / count
    return products / count - torch.outer(mean, mean)


def colour_root(covariance: Tensor) -> Tensor:
    """R with R Rᵀ = covariance, its columns the principal directions times their standard deviations, largest first.

    A direction's sign says nothing; here its largest value is positive.
    """
    variances, directions = torch.linalg.eigh(covariance)
    root = (directions * variances.clamp(min=0).sqrt()).flip(1)
    largest = root.gather(0, root.abs().argmax(0, keepdim=True))
    signed: Tensor = root * largest.sign()
    return signed


def main() -> None:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with train-*.npz and val.npz")
    files = sorted(parser.parse_args().folder.glob("*.npz"))
    root = colour_root(covariance(read([file]).pixels for file in files))
    sys.stdout.write(json.dumps([[round(value, 4) for value in row] for row in root.tolist()]) + "\n")


if __name__ == "__main__":
    main()
