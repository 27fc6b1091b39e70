"""Read the registry's CSV file, whatever program wrote it, into rows that know their place."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REQUIRED_COLUMNS = ("numerai_name", "model_code")
COLUMNS = (
    *REQUIRED_COLUMNS,
    *("description", "enabled", "submit", "inputs", "fallback", "vintage", "owner", "tags"),
)
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?", re.ASCII)
_DELIMITERS = (",", ";", "\t")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # Excel's word for the next lines
_LIKE_A_NAME = re.compile(r"[\w.-]+")
_LINE_END = re.compile(r"\r\n|\r|\n")  # what csv takes for one; str.splitlines knows many more
# Spreadsheets write these byte order marks; that of UTF-32 begins with that of UTF-16.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class RegistryError(Exception):
    """The registry is wrong; the text names file, line, column and remedy."""


@dataclass(frozen=True)
class Row:
    """A row with its place, so that every complaint can name it.

    Attributes:
        line: on which the row begins.
        cells: by the names of their columns, without surrounding spaces; of every column.
    """

    path: Path
    line: int
    cells: dict[str, str]

    def error(self, column: str, problem: str) -> RegistryError:
        """Return an error that names the place."""
        return RegistryError(f"{self.path}, line {self.line}, column {column}: {problem}")


def read_rows(path: Path) -> list[Row]:
    """Read the rows below the header, blank ones left out.

    Commas, semicolons and tabs may separate the columns; the header decides.

    Raises:
        RegistryError: the file cannot be read as a table; naming line, column and remedy.
    """
    text = _text(path)
    delimiter, skipped = _delimiter(text)
    records = _records(path, text, delimiter)
    header: list[str] = []
    rows = []
    for line, cells in records:
        if line <= skipped or not any(cells):
            continue
        if not header:
            header = [cell.lower() for cell in cells]
            _check_header(path, line, header)
            continue
        row = Row(path, line, dict.fromkeys(header, "") | dict(zip(header, cells, strict=False)))
        _check_row(row, header, cells, delimiter)
        rows.append(row)
    if not header:
        _check_header(path, 1, header)
    return rows


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise RegistryError(
            f"{path} does not exist: make it with the line numerai_name,model_code,description "
            "and one line for each model, or set MODEL_CONFIGS_PATH"
        ) from None
    except OSError as error:
        raise RegistryError(f"{path} cannot be read: {error.strerror}") from error
    marks = (name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark))
    try:
        text = content.decode(next(marks, "utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RegistryError(
            f"{path}, line {line}: it is not UTF-8 text ({error.reason}, byte "
            f"0x{content[error.start]:02x}); save it as UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise RegistryError(f"{path}, line {line}: it has a NUL character; save it as UTF-8 text")
    return text


def _delimiter(text: str) -> tuple[str, int]:
    """Return what separates the columns, and how many lines only name the separator."""
    lines = io.StringIO(text, newline="").readlines()
    first = next((line for line in lines if line.strip()), "")
    if match := _SEPARATOR_LINE.fullmatch(first.strip("\r\n ")):
        return match[1], lines.index(first) + 1

    def known_columns(delimiter: str) -> int:
        return sum(cell.strip(' "\r\n').lower() in COLUMNS for cell in first.split(delimiter))

    return max(_DELIMITERS, key=known_columns), 0


def _records(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Return the line on which each record begins, and its cells."""
    # Not splitlines, which also splits where csv does not, as at U+2028.
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            record = "".join(lines[start : reader.line_num])
            raise RegistryError(
                f"{path}, line {start + 1}, {_place(lines, record, delimiter)}: "
                f"{_meaning(error, reader.line_num)}"
            ) from None
        yield start + 1, [cell.strip() for cell in cells]


def _meaning(error: csv.Error, line: int) -> str:
    if "field limit" in str(error):
        return (
            f"the cell has more than {csv.field_size_limit():,} characters; shorten it, or close "
            "its double quote"
        )
    if "end of data" in str(error):
        return "a double quote is opened there and never closed; close it, or remove it"
    return (
        f"on line {line} text follows after a closing double quote; close the quote where the cell "
        'ends, and write "" for a double quote inside it'
    )


def _place(lines: Sequence[str], record: str, delimiter: str) -> str:
    """Return the column of the cell at which csv gave up on a record."""
    header = next(csv.reader(lines, delimiter=delimiter), [])
    pieces = record.split(delimiter)
    cells: list[str] = []
    for count in range(1, len(pieces) + 1):
        prefix = io.StringIO(delimiter.join(pieces[:count]), newline="")
        try:
            cells = next(csv.reader(prefix, delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            if "end of data" not in str(error):
                return _column(header, len(cells))
    return _column(header, len(cells))


def _column(header: Sequence[str], index: int) -> str:
    return f"column {header[index].strip()}" if index < len(header) else f"cell {index + 1}"


def _check_header(path: Path, line: int, header: list[str]) -> None:
    """Check the names of the columns; empty ones at the end are removed."""
    while header and not header[-1]:
        header.pop()
    unknown = [name for name in header if name not in COLUMNS]
    for name in REQUIRED_COLUMNS:
        if name not in header:
            near = difflib.get_close_matches(name, unknown, n=1, cutoff=0)
            remedy = f"did you mean {near[0]}? rename it" if near else "add it"
            raise RegistryError(f"{path}, line {line}: the column {name} is missing; {remedy}")
    for name in header:
        if name in unknown:
            raise RegistryError(
                f"{path}, line {line}, column {name or '(empty)'}: unknown; {_columns_like(name)}"
            )
        if header.count(name) > 1:
            raise RegistryError(f"{path}, line {line}, column {name}: it appears twice; remove one")


def _columns_like(name: str) -> str:
    """Return which column an unknown one was probably meant to be, or all that there are."""
    if near := difflib.get_close_matches(name, COLUMNS, n=1):
        return f"did you mean {near[0]}?"
    return f"the columns are {', '.join(COLUMNS)}"


def _check_row(row: Row, header: Sequence[str], cells: Sequence[str], delimiter: str) -> None:
    if any(cells[len(header) :]):
        extra = delimiter.join(cells[len(header) :])
        raise row.error(
            header[-1],
            f"{extra!r} follows after the last column; put a cell that holds a "
            f"{_name(delimiter)} between double quotes",
        )
    others = [other for other in _DELIMITERS if other != delimiter and other in cells[0]]
    if len(cells) == 1 and others:
        raise row.error(
            header[0],
            f"{cells[0]!r} separates its cells by a {_name(others[0])}, and the header by a "
            f"{_name(delimiter)}; use the same",
        )
    for column, cell in row.cells.items():
        _check_lines(row, header, column, _LINE_END.split(cell), delimiter)


def _check_lines(
    row: Row, header: Sequence[str], column: str, lines: Sequence[str], delimiter: str
) -> None:
    """Accept a cell of several lines as a description, unless it has swallowed the rows below."""
    if len(lines) > 1 and column != "description":
        raise row.error(column, "it spans several lines; close its double quote")
    for number, line in enumerate(lines[1:], row.line + 1):
        cells = [cell.strip() for cell in line.split(delimiter)]
        named = dict(zip(header, cells, strict=False))
        if (
            _LIKE_A_NAME.fullmatch(named["numerai_name"])
            and MODULE.fullmatch(named.get("model_code", ""))
        ):  # fmt: skip
            raise row.error(
                column,
                f"it continues on line {number}, which looks like a row of its own; close its "
                "double quote, or write it on one line",
            )


def _name(delimiter: str) -> str:
    return {",": "comma", ";": "semicolon", "\t": "tab"}.get(delimiter, repr(delimiter))
