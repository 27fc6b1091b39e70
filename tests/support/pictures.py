"""Look at pictures that were drawn."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from xml.etree import ElementTree

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Drawing:
    """An SVG document."""

    svg: str

    @cached_property
    def _elements(self) -> list[ElementTree.Element]:
        return list(ElementTree.fromstring(self.svg).iter())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        root = self._elements[0]
        return int(float(root.attrib["width"])), int(float(root.attrib["height"]))

    @property
    def texts(self) -> list[str]:
        """Every text in it."""
        return ["".join(element.itertext()) for element in self._elements if _is(element, "text")]

    @cached_property
    def colours(self) -> Counter[str]:
        """How many marks have a colour as their line or their ground."""
        marks = [element for element in self._elements if _is(element, "path")]
        named = (mark.attrib.get(name) for mark in marks for name in ("stroke", "fill"))
        return Counter(colour for colour in named if colour)


def png_size(png: bytes) -> tuple[int, int]:
    """Return the width and the height of a PNG in pixels."""
    assert png.startswith(PNG)
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _is(element: ElementTree.Element, kind: str) -> bool:
    return element.tag.rpartition("}")[2] == kind
