"""The practice tournament: a local stand-in of Numerai, with data, a clock, rules and an API of its own."""
