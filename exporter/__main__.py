"""Let ``python -m exporter`` do what the command does."""

import sys

from netstat_exporter import main

if __name__ == "__main__":
    sys.exit(main())
