"""The web server of `numebot up`: Dagster's own, behind a guard."""
