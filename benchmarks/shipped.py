"""Run the exporter as an installation does, though our tools are installed beside it.

    python -m benchmarks.shipped FLAGS

structlog loads rich where it finds it. Our tools bring it, and it takes 5 MB; an installation has none.
"""

import sys
from typing import Final

SHIPPED_COMMAND: Final = (sys.executable, "-m", "benchmarks.shipped")


def hide_rich() -> None:
    """Let nothing find rich; before structlog is imported."""
    sys.modules["rich"] = None  # type: ignore[assignment]  # which makes its import fail


if __name__ == "__main__":
    hide_rich()
    from exporter.cli import main

    sys.exit(main())
