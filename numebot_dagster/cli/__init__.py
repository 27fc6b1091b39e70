"""The `numebot` command, one module per group of commands.

Its output is guarded before anything else is imported, and with it a closed descriptor is filled
before a file of ours can get its number.
"""

from numebot_dagster import terminal

terminal.guard()
