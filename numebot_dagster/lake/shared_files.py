"""Keep files that are made once for all data folders of a user, in the user's cache folder."""

from __future__ import annotations

import logging
from collections.abc import Callable

import platformdirs

from numebot_dagster.lake import files

LOGGER = logging.getLogger("numebot")


def made_once(name: str, make: Callable[[], bytes]) -> bytes:
    """Return the content of a shared file, and make it where it is missing.

    Args:
        name: of the file; it changes with the content.
        make: returns the content.
    """
    path = platformdirs.user_cache_path("numebot") / name
    try:
        return path.read_bytes()
    except OSError as error:
        LOGGER.debug("%s is made, because it cannot be read: %s", path, error)
    content = make()
    if path.is_absolute():  # which it is not where the user has no home
        try:
            files.replace_bytes(path, content)
        except OSError as error:
            LOGGER.info("%s cannot be kept, and is made anew the next time: %s", path, error)
    return content
