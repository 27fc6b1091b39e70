"""What a participant does in a week, by Dagster's own dialogs alone in headless Chromium.

Each ends with what the data folder and the practice tournament then hold.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import dagster as dg
import pytest
from playwright.sync_api import Page, TimeoutError, expect

from numebot_dagster.defs.partitions import VINTAGES
from numebot_dagster.lake.layout import Lake
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import State
from tests.support.waiting import until
from tests.support.world import World
from tests.ui.serving import LAUNCH, serving

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PATIENCE = 90_000  # milliseconds, for a process of Dagster's to start and to end


@dataclass(frozen=True)
class Visitor:
    """A person before the UI of a world, in which a round is open."""

    world: World
    page: Page
    url: str
    number: int

    def open_launchpad(self, asset: str, partition: int) -> None:
        """Open an asset's launch form, as shift and a click on its button do."""
        self.page.goto(f"{self.url}/assets/{asset}")
        self.page.get_by_role("button", name="Materialize…").click(modifiers=["Shift"])
        # Dagster asks whether to go on where it has not seen the weights made.
        confirm = self.page.get_by_role("button", name="Confirm")
        confirm.or_(self.page.get_by_text("No errors")).first.wait_for()
        if confirm.is_visible():
            confirm.click()
        self.choose(partition)

    def choose(self, partition: int) -> None:
        """Choose a partition of those that the form offers."""
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_text("No errors").wait_for()
        field = dialog.get_by_placeholder("Partition")
        item = self.page.locator("[class*=menuItem]", has_text=str(partition)).first

        def was_chosen() -> bool:
            # The form is drawn anew when it has loaded more, and forgets then what was typed.
            field.fill("")
            field.fill(str(partition))
            with suppress(TimeoutError):
                item.click(timeout=3_000)
                return True
            return False

        until(was_chosen, 60)

    def switch_on(self, option: str) -> None:
        """Write `true` behind an option of the form."""
        line = self.page.locator(".CodeMirror-line", has_text=f"{option}:")
        line.get_by_text("false").dblclick()
        self.page.keyboard.type("true")

    def launch(self) -> None:
        """Press the button of the form, and wait until its run has succeeded."""
        self.page.get_by_role("dialog").get_by_text("No errors").wait_for()
        self.page.locator("[role=dialog] button", has_text="Materialize").click()
        self.page.wait_for_url("**/runs/*")
        self.wait_for_success()

    def wait_for_success(self) -> None:
        """Wait until the run on the page has ended, and see that it succeeded."""
        ended = self.page.get_by_text("Success", exact=True).or_(
            self.page.get_by_text("Failure", exact=True)
        )
        ended.first.wait_for(timeout=PATIENCE)
        expect(ended.first).to_have_text("Success")

    def receipt(self, model: str) -> receipts.Receipt:
        """Return what is recorded of a model's submission to the round."""
        return receipts.latest(self.world.platform.lake, self.number)[model]

    def counted(self, model: str) -> str:
        """Return the file that Numerai counts for a model in the round."""
        submission = self.world.platform.client.fleet().submission_of(model, self.number)
        assert submission is not None
        return submission.filename


@pytest.fixture(scope="module")
def served(_module_world, browser):
    """Serve a world in whose open round one of two models was played."""
    _module_world.register("steady-1", "second")
    number = _module_world.open_round()
    assert _module_world.numebot("run", "--models", "steady-1").returncode == 0
    vintage = Lake(_module_world.folder / "data").stored_vintages()[-1]
    with dg.DagsterInstance.from_config(str(_module_world.folder / "dagster")) as instance:
        instance.add_dynamic_partitions(VINTAGES, [str(vintage)])  # as `numebot train` does
    with serving(_module_world, LAUNCH) as url:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(30_000)
        yield Visitor(_module_world, page, url, number)


@pytest.fixture
def visitor(served, enter):
    """Return the visitor, with this process as the participant."""
    enter(served.world)
    return served


def test_a_dry_run_predicts_and_submits_nothing(visitor):
    uploads = visitor.world.uploads()
    visitor.open_launchpad("models/second/predictions", visitor.number)
    visitor.switch_on("dry_run")
    visitor.launch()
    assert visitor.world.platform.lake.predictions_files("second", visitor.number)
    assert visitor.world.uploads() == uploads


def is_confirmed(visitor: Visitor, model: str) -> bool:
    latest = receipts.latest(visitor.world.platform.lake, visitor.number)
    return model in latest and latest[model].state is State.CONFIRMED


def test_one_model_of_a_round_is_replayed(visitor):
    others = visitor.counted("steady-1")
    page = visitor.page
    page.goto(f"{visitor.url}/assets/models/second/submission?partition={visitor.number}")
    page.get_by_role("button", name="Materialize…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(str(visitor.number), exact=True).first.wait_for()
    dialog.get_by_role("button", name="Launch 1 run").click()
    until(lambda: is_confirmed(visitor, "second"), seconds=90)
    assert visitor.receipt("second").filename == visitor.counted("second")
    assert visitor.counted("steady-1") == others


def test_a_submission_of_somebody_else_is_replaced_by_force(visitor):
    client = visitor.world.platform.client
    model = client.fleet().models["steady-1"].id
    target = client.authorise_upload(model, "notebook.csv")
    client.put_upload(target, client.download_submission(visitor.receipt("steady-1").submission_id))
    client.create_submission(model, target.filename)
    assert visitor.counted("steady-1") == target.filename
    visitor.open_launchpad("models/steady_1/submission", visitor.number)
    visitor.switch_on("force")
    visitor.launch()
    assert visitor.counted("steady-1") == visitor.receipt("steady-1").filename != target.filename


def test_a_model_is_trained_again(visitor):
    lake = visitor.world.platform.lake
    before = lake.weights_folders("second")
    vintage = lake.stored_vintages()[-1]
    visitor.open_launchpad("models/second/weights", vintage)
    visitor.switch_on("force")
    visitor.launch()
    newest, *others = lake.weights_folders("second")
    assert others == before
    assert (newest.vintage, newest.attempt) == (vintage, before[0].attempt + 1)


def test_a_model_is_diagnosed(visitor):
    lake = visitor.world.platform.lake
    vintage = lake.stored_vintages()[-1]
    assert lake.diagnosis_folders("steady-1", vintage) == []
    visitor.open_launchpad("models/steady_1/diagnostics", vintage)
    visitor.launch()
    [diagnosis] = lake.diagnosis_folders("steady-1", vintage)
    assert (diagnosis / "by_era.parquet").is_file()
