"""Show on the terminal that a leak is counted, fires its alert, and resolves it when it is mended.

``make demo``, as root. Nothing is left when it ends, by itself, by Ctrl-C or by SIGTERM.
"""

import os
import signal
import sys

import pytest

from tests.support import requirements
from tests.support.e2e.story import tell_story

DIVISOR = 60
INTERRUPTED = 130


def main() -> int:
    """Tell the story; return 0 when all of it happened."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell's background job begins with SIGINT ignored
        signal.signal(ending, signal.default_int_handler)
    try:
        requirements.require("needs root", "sudo make demo", met=os.geteuid() == 0)
        tell_story(lambda line: print(line, flush=True), DIVISOR)  # noqa: T201
    except KeyboardInterrupt:
        return INTERRUPTED
    except pytest.skip.Exception as missing:
        sys.stderr.write(f"it cannot run here: {missing}\n")
        return 1
    except AssertionError as failure:
        sys.stderr.write(f"it went wrong: {failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
