"""The user's models: plain Python, written against `numebot_dagster.modeling`."""
