"""Look at pictures that were drawn."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def opened(png: bytes) -> Image.Image:
    """Return a PNG as a picture of red, green and blue."""
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return image.convert("RGB")


def pixels_of(png: bytes, color: str) -> int:
    """Return how many pixels are close to a colour; reducing the palette moves each a little."""
    rgb = [int(color[index : index + 2], 16) for index in (1, 3, 5)]
    distances = np.abs(np.asarray(opened(png), dtype=np.int16) - rgb)
    return int((distances <= 12).all(axis=-1).sum())
