"""The rules: calendar, rounds, submissions, stakes, and the state that they act on."""
