"""Names, profiles and archived models."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament

MODEL, OTHER = "example_model", "lightgbm_model"


def test_bio_link_name_and_archive(tournament: ServedTournament) -> None:
    model_id = tournament.model_id(MODEL)
    assert tournament.api.set_bio(model_id, "ein Ü") is True
    assert tournament.api.set_link(model_id, "home", "https://example.org") is True
    profile = tournament.post(f'{{v3UserProfile(modelName: "{MODEL}") {{bio linkText linkUrl}}}}')
    assert profile["data"]["v3UserProfile"] == {
        "bio": "ein Ü", "linkText": "home", "linkUrl": "https://example.org",
    }  # fmt: skip
    assert tournament.api.public_user_profile(MODEL)["bio"] == "ein Ü"
    rename = "mutation($m: ID!, $n: String!) {renameModel(modelId: $m, name: $n) {name}}"
    assert "taken" in tournament.refusal(rename, variables={"m": model_id, "n": OTHER})
    tournament.post(rename, variables={"m": model_id, "n": "new_name"})
    assert tournament.api.get_models() == {"new_name": model_id, OTHER: tournament.model_id(OTHER)}
    for name, free in (("new_name", False), (MODEL, True), ("rival_01", False)):
        asked = f'{{modelNameAvailable(name: "{name}", tournament: 8)}}'
        assert tournament.post(asked)["data"]["modelNameAvailable"] is free
    add = f'mutation {{addModel(name: "{MODEL}", tournament: 8) {{id}}}}'
    again = tournament.post(add)["data"]["addModel"]["id"]
    assert again != model_id
    tournament.post(
        "mutation($m: ID!) {archiveModel(modelId: $m) {archived}}", variables={"m": again}
    )
    assert set(tournament.api.get_models()) == {"new_name", OTHER}
    shown = tournament.post("{account {models(showArchived: true) {name archived}}}")
    states = {model["name"]: model["archived"] for model in shown["data"]["account"]["models"]}
    assert states == {"new_name": False, OTHER: False, MODEL: True}
    tournament.post("mutation($m: ID!) {unarchiveModel(modelId: $m) {id}}", variables={"m": again})
    assert set(tournament.api.get_models()) == {"new_name", OTHER, MODEL}
