"""Turn a chart into the picture of the Dagster UI, or into the interactive chart of a page."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from numebot_dagster.reporting.theme import LIGHT, Theme

if TYPE_CHECKING:
    import altair

WIDTH = 700
"""Pixels: as wide as the column of metadata in the Dagster UI, and a card on a page."""
LINE_LENGTH = 115
"""Characters of a subtitle that fit into the width."""


@dataclass(frozen=True)
class Picture:
    """A chart with the words around it.

    Attributes:
        title: what the chart says.
        subtitle: how to read it.
        result: what is seen in it, in one sentence, for those who cannot see it.
        chart: without title and colours.
        is_dense: whether it has so many marks that it is drawn as PNG, not as SVG, which grows with
            their number.
    """

    title: str
    subtitle: str
    result: str
    chart: altair.LayerChart
    is_dense: bool = False

    def specification(self, theme: Theme = LIGHT, *, with_title: bool = True) -> dict[str, Any]:
        """Return the chart in Vega-Lite with the colours of a theme."""
        plain = {**self._plain, "config": theme.config, "description": self.result}
        if with_title:
            lines = textwrap.wrap(self.subtitle, LINE_LENGTH)
            plain["title"] = {"text": self.title, "subtitle": lines}
        return plain

    @cached_property
    def _plain(self) -> dict[str, Any]:
        """The chart in Vega-Lite without title and colours."""
        import altair

        datasets: dict[str, list[dict[str, Any]]] = {}

        def keep(frame: Any) -> dict[str, str]:
            """Keep rows aside under a name: Altair copies and checks all that it sees."""
            name = f"rows-{len(datasets)}"
            datasets[name] = frame.to_dicts()
            return {"name": name}

        altair.data_transformers.register("aside", keep)
        with altair.data_transformers.enable("aside"):
            chart = self.chart.to_dict(validate=False)
        chart.pop("background", None)
        return {**chart, "datasets": datasets}

    def svg(self, theme: Theme = LIGHT) -> str:
        """Return the picture as an SVG document, `WIDTH` pixels wide or little more."""
        import vl_convert

        return str(vl_convert.vegalite_to_svg(json.dumps(self.specification(theme))))

    def png(self) -> bytes:
        """Return the picture as a PNG at the size at which it is shown."""
        import vl_convert

        return bytes(vl_convert.vegalite_to_png(json.dumps(self.specification(LIGHT)), scale=1))

    def file(self, name: str) -> tuple[str, bytes]:
        """Return the picture's file name, with the ending of its kind, and content."""
        if self.is_dense:
            return f"{name}.png", self.png()
        return f"{name}.svg", self.svg().encode()
