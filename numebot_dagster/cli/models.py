"""`numebot models`: whether a model works, and how good it is on eras that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from numebot_dagster.cli import session
from numebot_dagster.cli.screen import plain_table, say, show_table
from numebot_dagster.cli.session import Wish, console
from numebot_dagster.cli.train import pin
from numebot_dagster.modeling.registry import RegisteredModel, Registry, RegistryError, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import NoWeights
from numebot_dagster.operations.diagnostics.diagnosis_store import folder_of
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
}
"""The columns of the list of models, and what they say of a model that is as most are."""

app = typer.Typer(no_args_is_help=True, help="What your models are worth.")


@app.callback()
def models() -> None:
    """What your models are worth."""


@app.command(name="list")
def show() -> None:
    """Show the registered models, the weights that each would predict with, and their age."""
    with session.explained():
        platform = session.look_at_platform()
        rows = [_registered(platform, model) for model in platform.registry.models]
        # A column in which every model is as models are by default says nothing.
        columns = [
            name for name, usual in COLUMNS.items() if any(row[name] != usual for row in rows)
        ]
        table = plain_table(*columns)
        for row in rows:
            table.add_row(*(row[name] for name in columns))
        show_table(table, ("age", "fallback", "inputs", "code"))


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
    }


@app.command()
def diagnose(
    model: Annotated[str, typer.Argument(help="Its Numerai name.")],
    vintage: Annotated[
        int | None, typer.Option(help="By default the newest of which there are weights.")
    ] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Let Numerai score the same predictions, and compare.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Compute even what is stored already.")
    ] = False,
) -> None:
    """Judge a model on validation eras that it has not seen, and show its scores.

    The weights themselves are judged where they have not seen these eras. A model that is trained
    on everything is trained anew for it, walking forward through the eras, which takes several
    times as long as its training. The newest 104 labelled eras, kept from tuning and blending, are
    shown apart: only their numbers are fit to be published.

    With --upload the predictions are sent to Numerai's own diagnostics: no round and no stake is
    touched by that. Exit status 0 means that all that was asked for was done.
    """
    from numebot_dagster.operations.diagnostics import at_numerai, diagnosis

    with session.explained():
        platform = session.open_platform(needs_key=upload)
        chosen = _enabled(platform.registry, model)
        if upload:  # before the long work
            at_numerai.slot_of(platform, model)
        number = _vintage(platform, chosen, vintage)
        if not _run(platform, chosen, number, again=again):
            raise typer.Exit(1)
        found = diagnosis.read_diagnosis(platform, chosen, number)
        _show(platform, chosen, found)
        if upload:
            with _telling() as told:
                official = at_numerai.diagnose_at_numerai(platform, found, told)
            _compare(found, official)


@app.command("try")
def try_(
    model: Annotated[str, typer.Argument(help="Its Numerai name.")],
    eras: Annotated[int, typer.Option(min=1, help="How many eras it learns from.")] = 4,
) -> None:
    """Run all four methods of a model on a few eras, in seconds, before it is trained on all.

    It is trained, saved, loaded and asked for predictions exactly as in earnest, on the newest
    training data that are pinned, and judged by the checks of a round. Where none are pinned yet,
    today's are, as by numebot train; nothing else is stored. Exit status 0 means that nothing
    failed; otherwise the method that failed is named, and its line.
    """
    from numebot_dagster.cli import doctor
    from numebot_dagster.operations.health.findings import Verdict
    from numebot_dagster.operations.training import trial

    with session.explained():
        platform = session.look_at_platform()
        chosen = platform.registry[model]
        if not platform.lake.stored_vintages():
            _pin_today()
        try:
            for finding in trial.try_model(platform, chosen, eras):
                doctor.show(finding)
        except trial.CannotTry as error:
            session.fail(str(error))
    if finding.verdict is Verdict.FAILURE:
        raise typer.Exit(1)


def _pin_today() -> None:
    platform = session.open_platform()
    vintage = trainer.vintage_of_today(platform)
    say(f"No training data are pinned yet: today's are pinned as vintage {vintage}, once.")
    if not pin(vintage):
        raise typer.Exit(1)


def _enabled(registry: Registry, name: str) -> RegisteredModel:
    found = registry[name]
    if not found.enabled:
        raise RegistryError(
            f"{name} is not enabled in {registry.path}: empty its column `enabled`, or write true"
        )
    return found


def _vintage(platform: Platform, model: RegisteredModel, wanted: int | None) -> int:
    """The vintage asked for, or the newest of which there are whole weights.

    Raises:
        NoWeights: there are none.
    """
    held = sorted({one.vintage for one in weight_store.stored(platform.lake, model.name)})
    if wanted is not None and held and wanted not in held:
        raise NoWeights(
            f"{model.name} has no weights of vintage {wanted}; give --vintage one of "
            f"{', '.join(map(str, held))}"
        )
    pinned = model.vintage if wanted is None else wanted
    return weight_store.choose(platform.lake, model.name, code_hash(model), pinned).vintage


def _run(platform: Platform, model: RegisteredModel, vintage: int, *, again: bool) -> bool:
    """Makes the asset, so that the UI shows the same; whether that succeeded."""
    from numebot_dagster.defs.diagnostics.assets import diagnostics_key

    key = diagnostics_key(model)
    stored = folder_of(platform, model, vintage).is_dir()
    session.errors.print(
        "Diagnosed before, and read back; --again computes it anew."
        if stored and not again
        else f"Predicting eras that {model.name} has not seen, and scoring them …",
        markup=False,
        highlight=False,
    )
    config = {key.to_python_identifier(): {"config": {"again": again}}}
    return session.execute(Wish("diagnose_job", str(vintage), [key], config)).success


def _show(platform: Platform, model: RegisteredModel, found: Diagnosis) -> None:
    from numebot_dagster.reporting.diagnostics_tables import caveat, intervals_table
    from numebot_dagster.reporting.tables import rich_table

    say(f"\n{found.recipe}")
    say(f"CORR is against {found.target}; the benchmark is {found.benchmark or 'not there'}.\n")
    show_table(rich_table(*_table(found)), ("std",))
    if "corr" in found.held_out:
        title = "Held-out CORR, 95 % intervals"
        show_table(rich_table(intervals_table(found.held_out["corr"]), title))
    say(caveat(found.held_out or found.summaries))
    say(
        "Publish what is held out. ±95% is half of the mean's 95 % interval; smart is the Sharpe "
        "ratio less what autocorrelation flatters; drawdown is the largest. Curves: on the asset's "
        "page in the Dagster UI (numebot up), and in"
    )
    figure = platform.lake.figure(f"{model.asset_name}_score_chart.png")
    console.print(f"  {figure}\n", highlight=False, markup=False, soft_wrap=True)


def _table(found: Diagnosis) -> tuple[pl.DataFrame, str]:
    """The table and its title; two rows for each metric, unless they would be the same."""
    from numebot_dagster.reporting.diagnostics_tables import summaries_beside, summary_table

    held_out, everything = (
        one["corr"].n if "corr" in one else 0 for one in (found.held_out, found.summaries)
    )
    title = f"{found.model}, vintage {found.vintage}"
    if held_out == everything:
        return summary_table(found.summaries), f"{title}: {everything} eras, all of them held out"
    table = summaries_beside(found.held_out, found.summaries)
    return table, f"{title}: {held_out} eras held out, {everything} in all"


@contextmanager
def _telling() -> Iterator[Callable[[str], None]]:
    """Says that Numerai is at work, and each new word of it once."""
    said: set[str] = set()
    with session.errors.status(Text("Numerai is scoring the predictions …")) as spinner:

        def told(status: str) -> None:
            if status not in said:
                said.add(status)
                session.errors.print(f"Numerai's diagnostics: {status}", markup=False)
            spinner.update(Text(f"Numerai is scoring the predictions: {status} …"))

        yield told


def _compare(found: Diagnosis, official: OfficialDiagnostics) -> None:
    from numebot_dagster.reporting.diagnostics_tables import comparison_table, largest_differences
    from numebot_dagster.reporting.tables import rich_table

    title = f"Beside Numerai's own diagnostics, {official.eras_accepted} eras scored there"
    show_table(rich_table(comparison_table(found.by_era, official), title))
    differences = largest_differences(found.by_era, official)
    for one in differences:
        if one.size > SAME:
            say(f"{one.metric} is {one.size:.1e} apart in era {one.era}.")
    if differences and differences[0].size <= SAME:
        say(f"No score of an era is farther from ours than {differences[0].size:.0e}.")
    if official.trained_on_validation:
        say("Numerai takes this model as trained on validation data.")
