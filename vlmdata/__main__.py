"""`vlmdata` and `python -m vlmdata`: an interrupt is answered in a line from the first import on."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""The code of a command that was interrupted, as a shell gives it: 128 and the signal's number."""


def main() -> None:
    """Read the commands, and do the one that is asked for."""
    try:
        from vlmdata.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("vlmdata: interrupted before it began\n")
        sys.exit(INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
