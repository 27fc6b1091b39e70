"""What user models are written against: `from numebot_dagster.modeling import NumeraiModel, every`."""
