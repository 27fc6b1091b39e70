"""The practice tournament: a local stand-in of Numerai, with its own data, clock, rules and API."""
