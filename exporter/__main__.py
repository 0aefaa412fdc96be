"""Run the exporter: ``python -m exporter`` and the command ``netstat-exporter``."""

import sys

from exporter.cli import main

if __name__ == "__main__":
    sys.exit(main())
