"""Keep weights in use that were stored under a hash of a former rule."""

from __future__ import annotations

from contextlib import suppress

from numebot_dagster.lake import files
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.modeling.source.former_hash import former_hash


def recognise_former_weights(lake: Lake, model: RegisteredModel) -> None:
    """Note for good that weights under a former hash are of the model's present code, if they are.

    Noted, because what shows it is lost with the next comment in the package: the former hash
    covers every byte of it.
    """
    stored = {place.label.partition("-")[0] for place in lake.weights_folders(model.name)}
    unknown = stored - lake.former_code_hashes(model.name).keys()
    with suppress(OSError):  # a source that cannot be read; said by whoever needs the code
        present = code_hash(model) if unknown else ""
        if unknown - {present} and (former := former_hash(model.code)) in unknown - {present}:
            note = lake.former_code_file(model.name, former, present)
            with suppress(files.CannotWrite):  # the next look tries again
                files.replace_bytes(note, b"")
