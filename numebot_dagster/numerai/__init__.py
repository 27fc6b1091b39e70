"""Talk to Numerai's tournament API, in records and errors of our own."""
