"""The `numebot` command, one module per group of commands."""
