"""The two ways in which a command can end badly; the command line turns them into exit codes."""

from __future__ import annotations


class UserError(Exception):
    """The request was wrong (exit code 2); the message is one sentence that says what to do."""


class RunFailedError(Exception):
    """The request was right but the job failed (exit code 1); the message is one sentence."""
