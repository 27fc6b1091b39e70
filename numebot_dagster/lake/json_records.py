"""Read and write the JSON records of the lake, each of which is one dataclass."""

from __future__ import annotations

import json
import math
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter, ValidationError

from numebot_dagster.lake import damaged, files
from numebot_dagster.lake.damaged import DamagedFile

T = TypeVar("T")

# A number that may be unknown: NaN in memory, null in the file.
NumberOrNull = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: None if math.isnan(value) else value),
]


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
    """Return the record in a file; fields that a newer version added are left out.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: it holds no such record; the text says what is wrong with it.
    """
    record: T = parse(path.read_bytes(), kind)
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
    kind: Any = type(record)
    plain = _adapter(kind).dump_python(record)
    return (json.dumps(plain, indent=indent, ensure_ascii=False, default=_text) + "\n").encode()


def _text(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} does not belong in a JSON record")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
