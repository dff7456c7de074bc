"""How the energy of photographs falls off with frequency: ``python -m deepvis_widgets.synthesis.natural_spectrum FOLDER``.

FOLDER holds pictures (.jpg, .png), or Tiny-ImageNet as `deepvis_widgets.models.train_bundled` takes it. Writes to the
standard output, as JSON, the mean over all pictures of `measures.radial_spectrum`, which `measures.NATURAL` is set to, and how
far single pictures lie from it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torchvision.transforms import InterpolationMode

from deepvis_widgets.models.images import decode, fit
from deepvis_widgets.models.train_bundled import read

from .measures import radial_spectrum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


def batches(folder: Path, size: int) -> Iterator[Tensor]:
    """(N, C, H, W) float; files of pictures are cut to a square of ``size`` pixels, those of Tiny-ImageNet have 64."""
    for file in sorted(folder.glob("*.npz")):
        yield from (part.permute(0, 3, 1, 2).float() for part in read([file]).pixels.split(1000))
    for file in sorted({*folder.glob("*.jpg"), *folder.glob("*.png")}):
        yield 255 * fit(decode(file, 3), (size, size), 1.0, InterpolationMode.BILINEAR)[None]


def main() -> None:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=224, help="pixels a side, for files of pictures")
    arguments = parser.parse_args()
    spectra = torch.cat([radial_spectrum(batch) for batch in batches(arguments.folder, arguments.size)])
    mean = spectra.mean(0)
    distances = (spectra - mean).abs().mean(1)
    found = {
        "pictures": len(spectra),
        "natural": [round(value, 3) for value in mean.tolist()],
        "median distance": round(float(distances.median()), 3),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
