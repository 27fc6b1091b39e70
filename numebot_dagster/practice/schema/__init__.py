"""Hold Numerai's GraphQL schema: its dialect, and its objects as mappings of fields."""

from typing import Any

Fields = dict[str, Any]
"""An object of the API: each field is a value, or a function of the field's arguments.

A field that is missing is refused as not part of the practice tournament; None is an answer.
"""
