"""From a picture around the mean colour to bytes, by one rule for all samples.

Finished pictures vary by 1 to 2 grey levels only (the original's log: 1.65), so shown as they are they are flat grey, and
stretched from minimum to maximum with the mean added they all turn orange. So they are shown around mid-grey with a contrast
that follows their standard deviation: positive and negative alike, every channel alike.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

REACH = 3.0  # standard deviations from mid-grey to black and to white, at contrast 1
MID = 127.5
CAPTION, LEAST_WIDTH = 13, 190  # pixels: letters, and the width that a line of them needs


def render(x: Tensor, *, contrast: float = 1.0, shared: bool = True) -> NDArray[np.uint8]:
    """Pictures around mid-grey.

    Args:
        x: (B, C, H, W), 0 being the mean colour.
        contrast: above 1 for more.
        shared: one scale for the batch, so that fainter pictures look fainter; else each has its own.

    Returns:
        (B, H, W, C) uint8; the mean colour is 127 or 128.
    """
    if not 0 < contrast < math.inf:
        raise ValueError(f"contrast must be a finite number above 0, not {contrast!r}")
    spread = x.flatten(1).float().var(1, unbiased=False)
    spread = (spread.mean().expand(len(x)) if shared else spread).sqrt().clamp(min=1e-6)
    scale = MID * contrast / REACH / spread
    return _to_bytes(x * scale[:, None, None, None] + MID)


def render_unscaled(x: Tensor, mean: Sequence[float]) -> NDArray[np.uint8]:
    """Pictures in their own colours: x plus the mean colour (C numbers in 0..1), nothing stretched."""
    return _to_bytes(x + 255 * torch.tensor(mean, device=x.device).view(1, -1, 1, 1))


def sheet(images: NDArray[np.uint8], *, columns: int | None = None, gap: int = 2) -> NDArray[np.uint8]:
    """Many pictures on one, row by row.

    Args:
        images: (B, H, W, C).
        columns: about the square root of their number unless given.
        gap: pixels between them, white.

    Returns:
        (height, width, 3) uint8; of more than three channels the first three, of one or two the first as grey.
    """
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    page = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = (number // columns) * (height + gap), (number % columns) * (width + gap)
        page[top : top + height, left : left + width] = image[..., :3] if channels >= 3 else image[..., :1]
    return page


def captioned(images: NDArray[np.uint8], texts: Sequence[Sequence[str]]) -> NDArray[np.uint8]:
    """Each picture with lines of text below it; small ones are enlarged by a whole number, so that the text has room.

    Args:
        images: (B, H, W, C).
        texts: of each its lines.

    Returns:
        (B, height, width, 3) uint8, black on white.
    """
    font, leading = ImageFont.load_default(CAPTION), CAPTION + 5
    zoom = math.ceil(LEAST_WIDTH / images.shape[2])
    height, width = images.shape[1] * zoom, images.shape[2] * zoom
    cards = []
    for image, lines in zip(images, texts, strict=True):
        card = Image.new("RGB", (width, height + leading * max(map(len, texts)) + 4), "white")
        card.paste(Image.fromarray(sheet(image[None])).resize((width, height), Image.Resampling.NEAREST))
        ImageDraw.Draw(card).multiline_text((1, height + 3), "\n".join(lines), "black", font, spacing=5)
        cards.append(np.asarray(card))
    return np.stack(cards)


def _to_bytes(x: Tensor) -> NDArray[np.uint8]:
    pixels: NDArray[Any] = x.nan_to_num(MID).clamp(0, 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return np.ascontiguousarray(pixels)
