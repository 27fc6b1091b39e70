"""Read and write the JSON records of the lake, each of which is one dataclass."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BeforeValidator,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)

from numebot_dagster.lake import damaged, files
from numebot_dagster.lake.damaged import DamagedFile

LOGGER = logging.getLogger("numebot")
T = TypeVar("T")

# A number that may be unknown: NaN in memory, null in the file.
NumberOrNull = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: None if math.isnan(value) else value),
]


@dataclass(frozen=True)
class Record:
    """Base of the records that keep the fields of a newer version when they are rewritten.

    Attributes:
        unknown_fields: what the file holds besides the fields of the class; `dataclasses.replace`
            passes it on.
    """

    unknown_fields: dict[str, Any] = field(
        default_factory=dict, kw_only=True, repr=False, compare=False
    )

    @model_validator(mode="before")
    @classmethod
    def _set_unknown_apart(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        own = {field.name for field in fields(cls)}
        unknown = {name: content[name] for name in content if name not in own}
        return {name: content[name] for name in content if name in own} | {
            "unknown_fields": unknown
        }

    @model_serializer(mode="wrap")
    def _put_unknown_back(self, plain_of: Callable[[Record], dict[str, Any]]) -> dict[str, Any]:
        plain = plain_of(self)
        unknown = plain.pop("unknown_fields")
        return plain | unknown


# The kinds of records whose unknown fields this process has reported.
_reported: set[type] = set()


def write(path: Path, record: object) -> None:
    """Write a record, or put it in the place of the old one, at once."""
    files.replace_bytes(path, dump(record))


def create(path: Path, record: object) -> None:
    """Write a record that must not exist yet.

    Raises:
        FileExistsError: the file exists; it is left as it was.
    """
    files.create_bytes(path, dump(record))


def read(path: Path, kind: type[T]) -> T:
    """Return the record in a file, and log fields of a newer version, once for each kind.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: it holds no such record; the text says what is wrong with it.
    """
    record: T = parse(path.read_bytes(), kind)
    if isinstance(record, Record) and record.unknown_fields and kind not in _reported:
        _reported.add(kind)
        LOGGER.warning(
            "%s has fields that this version of Numebot does not know: %s. A newer version has "
            "probably written it. They are kept, but not used; update Numebot to use them.",
            path,
            ", ".join(sorted(record.unknown_fields)),
        )
    return record


def read_or_set_aside(path: Path, kind: type[T]) -> T | None:
    """Return the record in a file, or None where it is missing or damaged; see `damaged`."""
    return damaged.read_or_set_aside(path, partial(read, kind=kind))


def parse(content: bytes, kind: Any) -> Any:
    """Return the record of a file's content.

    Raises:
        DamagedFile: it is no such record.
    """
    try:
        return _adapter(kind).validate_json(content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise DamagedFile(": ".join(filter(None, (place, problem["msg"])))) from None


def dump(record: object, indent: int | None = 2) -> bytes:
    """Return the content of a record's file, by default for people to read."""
    # Python's own writer keeps a NaN, which pydantic's would turn into null.
    text = json.dumps(as_dict(record), indent=indent, ensure_ascii=False, default=_text)
    return f"{text}\n".encode()


def as_dict(record: object) -> Any:
    """Return what a record's file holds, with the unknown fields among the others."""
    kind: Any = type(record)
    return _adapter(kind).dump_python(record)


def _text(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} does not belong in a JSON record")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
