from datetime import UTC, datetime

from numebot_dagster.reporting import marks
from numebot_dagster.reporting.pages import model as model_page
from numebot_dagster.reporting.pages.model import ModelPage, RoundLine, Statement, Version
from numebot_dagster.reporting.pages.page import LIBRARY, Frame
from numebot_dagster.reporting.pages.today import Cell

FRAME = Frame("Numerai", datetime(2026, 11, 29, 12, 30, tzinfo=UTC)).below()
LINE = RoundLine(
    number=1344,
    page="rounds/1344.html",
    state=Cell.ON_TIME,
    text="confirmed",
    vintage=1340,
    day=12,
    scores={"mmc60": -0.0021},
    is_resolved=False,
    payout_nmr=-0.5,
)


PIPELINE = Statement("Pipeline: broken", ["Round <1343>", "None failed."], "bad", "numebot run")
LUCK = Statement("Luck: too early", ["Nothing yet."])


def test_a_model_with_its_rounds_and_weights():
    picture = marks.notice("A chart", "Nothing yet", "Soon")
    model = ModelPage(
        name="lark",
        description="flies <high>",
        pipeline=PIPELINE,
        luck=LUCK,
        facts=["stake 7.0 NMR"],
        history={"weights": "/assets/models/lark/weights"},
        metrics=["mmc60", "corr60"],
        pictures=[picture],
        rounds=[LINE],
        versions=[Version(1340, "4f2a91c0", "v5.3", "2026-11-01 10:00 UTC", 3)],
    )
    html = model_page.page(model, FRAME)
    for text in (
        *("flies &lt;high&gt;", "stake 7.0 NMR", "4f2a91c0", picture.title),
        *("\N{MINUS SIGN}0.0021", "\N{MINUS SIGN}0.500", '<tr class="running">'),
        *('<section class="bad"><h2>Pipeline: broken</h2>', "<p>Round &lt;1343&gt;</p>"),
        *('<section class=""><h2>Luck: too early</h2>', "<code>numebot run</code>"),
        '<a href="../rounds/1344.html">1344</a>',
        '<a href="/assets/models/lark/weights">weights</a>',
        f'<script src="../{LIBRARY}"></script>',
    ):
        assert text in html


def test_a_model_that_has_done_nothing_yet():
    model = ModelPage("new", "", PIPELINE, LUCK, [], {}, ["mmc60"], [], [], [])
    html = model_page.page(model, FRAME)
    assert "This model has not tried a round yet." in html
    assert "numebot train --models new" in html
