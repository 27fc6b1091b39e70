"""`numebot models`: list the models, try one, and judge it on eras that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from numebot_dagster.cli import errors, execution, screen, session
from numebot_dagster.cli.execution import Request
from numebot_dagster.cli.screen import plain_table, say, show_table
from numebot_dagster.cli.train import pin
from numebot_dagster.modeling.registry import RegisteredModel, Registry, RegistryError, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import NoWeights
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training import trainer

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.numerai.diagnostics import OfficialDiagnostics
    from numebot_dagster.operations.diagnostics.diagnosis import Diagnosis

SAME = 1e-6
"""Ranks are sent with seven decimals, so Numerai's scores may differ from ours by some 1e-7."""

COLUMNS = {
    "model": None,
    "code": None,
    "enabled": "yes",
    "submit": "yes",
    "vintage": None,
    "age": "",
    "inputs": "",
    "fallback": "",
    "owner": "",
    "tags": "",
}
"""The columns of the list of models, each with the value of an ordinary model."""

app = typer.Typer(
    no_args_is_help=True, help="List your models, try one, and judge it on unseen eras."
)


@app.callback()
def models() -> None:
    """List your models, try one, and judge it on unseen eras."""


@app.command(name="list")
def show() -> None:
    """Show the registered models, the weights that each would predict with, and their age."""
    with errors.explained():
        platform = session.look_at_platform()
        rows = [_registered(platform, model) for model in platform.registry.models]
        # A column in which every model has the usual value says nothing.
        columns = [
            name for name, usual in COLUMNS.items() if any(row[name] != usual for row in rows)
        ]
        table = plain_table(*columns)
        for row in rows:
            table.add_row(*(row[name] for name in columns))
        show_table(table, ("age", "tags", "owner", "fallback", "inputs", "code"))


def _registered(platform: Platform, model: RegisteredModel) -> dict[str, str]:
    """Return one row of the list of models, by `COLUMNS`."""
    try:
        chosen = weight_store.choose(platform.lake, model.name, code_hash(model), model.vintage)
    except (NoWeights, SourceNotFound):
        vintage, age = "none", ""
    else:
        vintage = str(chosen.vintage)
        age = f"{(datetime.now(UTC) - chosen.manifest.trained_at).days} days"
    pinned = " (pinned)" if model.vintage is not None else ""
    return {
        "model": model.name,
        "code": str(model.code),
        "enabled": "yes" if model.enabled else "no",
        "submit": "yes" if model.submit else "no",
        "vintage": vintage + pinned,
        "age": age,
        "inputs": "; ".join(model.inputs),
        "fallback": model.fallback or "",
        "owner": "; ".join(model.owners),
        "tags": "; ".join("=".join(filter(None, tag)) for tag in model.tags),
    }


@app.command()
def diagnose(
    model: Annotated[str, typer.Argument(help="Numerai name of the model.")],
    vintage: Annotated[
        int | None, typer.Option(help="Vintage of the weights; by default the newest.")
    ] = None,
    upload: Annotated[
        bool,
        typer.Option("--upload", help="Let Numerai score the same predictions too, and compare."),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Compute again what is already stored.")
    ] = False,
) -> None:
    """Judge a model on validation eras that it has not seen, and show its scores.

    If the weights were not trained on these eras, they are judged as they are. Otherwise the model
    is trained again several times, walking forward through the eras, which lasts several times as
    long as its training. The newest 104 labelled eras are kept from tuning and blending, and shown
    separately: publish only their scores.

    With --upload the predictions are also sent to Numerai's own diagnostics, which affects no round
    and no stake. Exit status 0 means that everything succeeded.
    """
    from numebot_dagster.operations.diagnostics import at_numerai, diagnosis

    with errors.explained():
        platform = session.open_platform(needs_key=upload)
        chosen = _enabled(platform.registry, model)
        if upload:  # before the long work
            at_numerai.slot_of(platform, model)
        number = _vintage(platform, chosen, vintage)
        if not _run(platform, chosen, number, again=again):
            raise typer.Exit(1)
        result = diagnosis.read_diagnosis(platform, chosen, number)
        _show(platform, chosen, result)
        if upload:
            with _progress() as show_status:
                official = at_numerai.diagnose_at_numerai(platform, result, show_status)
            _compare(result, official)


@app.command("try")
def try_(
    model: Annotated[str, typer.Argument(help="Numerai name of the model.")],
    eras: Annotated[int, typer.Option(min=1, help="Number of eras to train on.")] = 4,
) -> None:
    """Run all four methods of a model on a few eras, in seconds, before training it on all.

    The model is trained, saved, loaded and asked for predictions as in a real round, on the newest
    pinned training data, and has to pass the checks of a round. If no data are pinned yet, today's
    data are pinned first, as by numebot train. Nothing else is stored. Exit status 0 means that
    nothing failed; otherwise the method that failed and its line are shown.
    """
    from numebot_dagster.cli import doctor
    from numebot_dagster.operations.health.findings import Verdict
    from numebot_dagster.operations.training import trial

    with errors.explained():
        platform = session.look_at_platform()
        chosen = platform.registry[model]
        if not platform.lake.stored_vintages():
            _pin_today()
        try:
            for finding in trial.try_model(platform, chosen, eras):
                doctor.show(finding)
        except trial.CannotTry as error:
            errors.fail(str(error))
    if finding.verdict is Verdict.FAILURE:
        raise typer.Exit(1)


def _pin_today() -> None:
    platform = session.open_platform()
    vintage = trainer.vintage_of_today(platform)
    say(f"No training data are pinned yet: pinning today's as vintage {vintage} …")
    if not pin(vintage):
        raise typer.Exit(1)


def _enabled(registry: Registry, name: str) -> RegisteredModel:
    model = registry[name]
    if not model.enabled:
        raise RegistryError(
            f"{name} is not enabled in {registry.path}: clear its column `enabled`, or set it "
            "to true"
        )
    return model


def _vintage(platform: Platform, model: RegisteredModel, vintage: int | None) -> int:
    """Return the vintage, by default the newest of which there are undamaged weights.

    Raises:
        NoWeights: there are none.
    """
    places = weight_store.stored(platform.lake, model.name)
    vintages = sorted({place.vintage for place in places})
    if vintage is not None and vintages and vintage not in vintages:
        raise NoWeights(
            f"{model.name} has no weights of vintage {vintage}; it has vintage "
            f"{', '.join(map(str, vintages))}: use one of them for --vintage"
        )
    pinned = model.vintage if vintage is None else vintage
    return weight_store.choose(platform.lake, model.name, code_hash(model), pinned).vintage


def _run(platform: Platform, model: RegisteredModel, vintage: int, *, again: bool) -> bool:
    """Make the asset, so that the UI shows the same; return whether that succeeded."""
    from numebot_dagster.defs.model_assets import diagnostics_key
    from numebot_dagster.operations.diagnostics.diagnosis_store import folder_of

    key = diagnostics_key(model)
    stored = folder_of(platform, model, vintage).is_dir()
    screen.note(
        "This diagnosis is stored; --again computes it again."
        if stored and not again
        else f"Predicting eras that {model.name} has not seen, and scoring them …"
    )
    config = {key.to_python_identifier(): {"config": {"again": again}}}
    return execution.execute(Request("diagnose_job", str(vintage), [key], config)).success


def _show(platform: Platform, model: RegisteredModel, result: Diagnosis) -> None:
    from numebot_dagster.operations.diagnostics.diagnosis_figures import stem
    from numebot_dagster.reporting.diagnostics_tables import caveat, intervals_table, legend
    from numebot_dagster.reporting.tables import rich_table

    say(f"\n{result.recipe}")
    say(f"CORR is against {result.target}; benchmark: {result.benchmark or 'none'}.\n")
    show_table(rich_table(*_table(result)), ("std",))
    if "corr" in result.held_out:
        title = "Held-out CORR, 95 % intervals"
        show_table(rich_table(intervals_table(result.held_out["corr"]), title))
    say(caveat(result.held_out or result.summaries))
    say(
        f"Publish only held-out scores. {legend()}. For charts, see the asset's page in the "
        "Dagster UI (numebot up), and"
    )
    figure = platform.lake.figure(f"{stem(model, 'score_chart', result.vintage)}.svg")
    screen.say_on_one_line(f"  {figure}\n")


def _table(result: Diagnosis) -> tuple[pl.DataFrame, str]:
    """Return a table and its title: two rows for each metric, unless they would be the same."""
    from numebot_dagster.reporting.diagnostics_tables import summaries_beside, summary_table

    held_out, everything = (
        scores["corr"].n if "corr" in scores else 0
        for scores in (result.held_out, result.summaries)
    )
    title = f"{result.model}, vintage {result.vintage}"
    if held_out == everything:
        return summary_table(result.summaries), f"{title}: {everything} eras, all held out"
    table = summaries_beside(result.held_out, result.summaries)
    return table, f"{title}: {held_out} eras held out, {everything} in total"


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show that Numerai is scoring, and each new status once."""
    shown: set[str] = set()
    with screen.error_console.status(Text("Numerai is scoring the predictions …")) as spinner:

        def show_status(status: str) -> None:
            if status not in shown:
                shown.add(status)
                screen.note(f"Numerai's diagnostics: {status}")
            spinner.update(Text(f"Numerai is scoring the predictions: {status} …"))

        yield show_status


def _compare(result: Diagnosis, official: OfficialDiagnostics) -> None:
    from numebot_dagster.reporting.diagnostics_tables import comparison_table, largest_differences
    from numebot_dagster.reporting.tables import rich_table

    title = f"Compared with Numerai's own diagnostics, which scored {official.eras_accepted} eras"
    show_table(rich_table(comparison_table(result.by_era, official), title))
    differences = largest_differences(result.by_era, official)
    for difference in differences:
        if difference.size > SAME:
            say(f"{difference.metric} differs by {difference.size:.1e} in era {difference.era}.")
    if differences and differences[0].size <= SAME:
        say(f"No score of an era differs by more than {differences[0].size:.0e}.")
    if official.trained_on_validation:
        say("Numerai considers this model trained on validation data.")
