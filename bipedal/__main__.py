"""The command `bipedal`, and `python -m bipedal`.

This module imports nothing heavy, so that it answers Ctrl-C before anything does.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Run the command of this process; returns its exit code."""
    # A KeyboardInterrupt in the middle of an import would show a traceback. Whoever ignores Ctrl-C,
    # as a script's background job does, goes on to do so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    from bipedal import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
