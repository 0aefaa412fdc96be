"""Start the exporter: signals first, as the rest takes a moment to import."""

import sys

from exporter.early import handle_signals
from exporter.installation import find_conflict


def main() -> int:
    """Run the exporter and return its exit code."""
    handle_signals(sys.argv[1:])
    if conflict := find_conflict():
        remedy = "Install it into an environment of its own, for example with pipx."
        sys.stderr.write(f"netstat-exporter: {conflict}. {remedy}\n")
        return 2
    if sys.argv[1:2] == ["show"]:
        from exporter.terminal.show import main as run  # noqa: PLC0415 - without what only the daemon needs
    else:
        from exporter.cli import main as run  # noqa: PLC0415 - see above
    return run()


if __name__ == "__main__":
    sys.exit(main())
