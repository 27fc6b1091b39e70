"""A model's code: the files that it consists of, and their hash, found without importing them."""
