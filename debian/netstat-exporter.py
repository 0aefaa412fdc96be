#!/usr/bin/python3 -I
"""Run netstat-exporter with the libraries of its own package, whatever else is installed for Python."""

import sys

sys.path.insert(0, "/usr/lib/netstat-exporter")

from exporter.__main__ import main

sys.exit(main())
