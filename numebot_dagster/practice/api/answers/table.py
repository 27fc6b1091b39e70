"""Join the resolvers of all queries and mutations, by Numerai's names of the root fields."""

from __future__ import annotations

from numebot_dagster.practice.api.answers import (
    account,
    models,
    overview,
    people,
    public,
    services,
    stakes,
    submissions,
)
from numebot_dagster.practice.api.request import Resolver

TABLES = tuple(
    module.RESOLVERS
    for module in (account, models, overview, people, public, services, stakes, submissions)
)
RESOLVERS: dict[str, Resolver] = {name: table[name] for table in TABLES for name in table}
