"""Numerai's GraphQL schema: its dialect, and its objects as mappings of fields."""
