"""Define what can go wrong with Numerai, each error with a text that says what to do next."""

from __future__ import annotations


class NumeraiError(Exception):
    """The base of every error of the tournament."""


class NumeraiUnavailable(NumeraiError):
    """Numerai did not answer in time, or answered with a passing fault; trying again may help."""


class NotAuthorised(NumeraiError):
    """The credentials are missing, wrong, or lack the scope that the call needs."""


class QueryRefused(NumeraiError):
    """Numerai understood the request and refused it: a GraphQL error or a 4xx status."""


class UnexpectedAnswer(NumeraiError):
    """The answer lacks a field that the call cannot do without, or is not what was asked for."""


class RoundNotOpen(NumeraiError):
    """The round does not take on-time submissions now."""


class SubmissionRejected(NumeraiError):
    """The upload or its registration was refused, or Numerai does not show it as selected."""


class DiagnosticsRefused(NumeraiError):
    """Numerai does not score these validation predictions; nothing else is touched by that."""


class DownloadFailed(NumeraiError):
    """A file could not be fetched whole, or is not the file that it should be."""


class DataNotReady(NumeraiError):
    """The round is open, but its live data are still those of the round before."""
