"""Faults on demand: what can go wrong, when it strikes, and how it is done."""
