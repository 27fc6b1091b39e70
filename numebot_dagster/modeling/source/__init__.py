"""Find the files that a model's code consists of, and their hash, without importing them."""
