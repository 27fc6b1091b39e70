"""Folders and locales whose letters mean something else to Dagster, DuckDB, Polars or Python."""

from __future__ import annotations

OTHER_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # ASCII


def test_a_data_folder_of_any_name_works_where_dagster_has_its_own(fresh_world):
    world = fresh_world
    odd = world.folder / "data [old]? 100%25 Größe"
    home = world.environment["DAGSTER_HOME"]
    world.register("steady-1", "raising")
    world.train("raising")
    number = world.open_round()

    refused = world.numebot("run", NUMERAI_DATA_FOLDER=str(odd), DAGSTER_HOME="")
    assert refused.returncode == 1
    assert "because of [old] in its name: set DAGSTER_HOME to a folder" in refused.stderr
    assert not odd.exists()

    (world.folder / "data").rename(odd)
    elsewhere = {"NUMERAI_DATA_FOLDER": str(odd), "DAGSTER_HOME": home, "COLUMNS": "400"}
    elsewhere |= {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}  # not for this machine
    played = world.process("run", **elsewhere, **OTHER_LOCALE)
    assert played.returncode == 1, played.stderr
    assert world.submissions(number) == {"steady-1": 1}
    assert "ArithmeticError: the stars ☾ are not right" in played.stdout
    query = "select model, reason from submissions order by model"
    asked = world.numebot("sql", query, "--format=csv", **elsewhere)
    assert "the stars ☾ are not right" in asked.stdout
    assert "steady-1" in asked.stdout
