import polars as pl

from numebot_dagster.reporting import likeness_charts
from numebot_dagster.reporting.theme import LIGHT
from tests.support.pictures import Drawing


def test_a_cell_for_each_pair_in_the_given_order():
    values = {("a", "b"): 0.0, ("a", "c"): -1.0, ("b", "c"): 1.0}
    cells = [(x, y, 1.0 if x == y else values[min(x, y), max(x, y)]) for x in "abc" for y in "abc"]
    frame = pl.DataFrame(cells, schema=["model", "other", "value"], orient="row")
    picture = likeness_charts.correlations(frame, ["c", "a", "b"], "Two are one bet.")
    drawn = Drawing(picture.svg())
    assert [text for text in drawn.texts if text in ("a", "b", "c")] == 2 * ["c", "a", "b"]
    alike, opposite = (
        f"rgb{tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))}"
        for colour in (LIGHT.accent, LIGHT.worse)
    )
    assert (drawn.colours[alike], drawn.colours[opposite]) == (5, 2)
    assert picture.result == "Two are one bet."
