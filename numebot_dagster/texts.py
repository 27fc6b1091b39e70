"""Read text files that people write, whatever their editor made of them."""

from __future__ import annotations

import codecs
from pathlib import Path

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class UnreadableText(ValueError):
    """The encoding of a file is unknown; the text names the file and the line."""


def read_text(path: Path, *, utf_16: bool = True) -> str:
    """Return the text of a UTF-8 file, or of a UTF-16 one that begins with its mark.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableText: it is in another encoding.
    """
    content = path.read_bytes()
    if content.startswith(_UTF_16):
        if not utf_16:
            raise UnreadableText(f"{path} is UTF-16: save it as UTF-8")
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError:
            raise UnreadableText(f"{path} is damaged UTF-16: save it as UTF-8") from None
    if b"\0" in content:
        raise UnreadableText(f"{path} contains zero bytes, as UTF-16 does: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")  # spreadsheets and Windows put a mark in front
    except UnicodeDecodeError as error:
        start = error.start + (len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0)
        line = content.count(b"\n", 0, start) + 1
        byte = f"0x{content[start]:02x}"
        raise UnreadableText(
            f"{path}, line {line}: the byte {byte} is not UTF-8: save the file as UTF-8"
        ) from None
