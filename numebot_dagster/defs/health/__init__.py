"""The watchdog, the pre-flight and the checks of Dagster's instance."""
