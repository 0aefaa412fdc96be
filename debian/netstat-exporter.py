#!/usr/bin/python3 -I
"""Run netstat-exporter with the libraries of its own package, whatever else is installed for Python."""

import sys

sys.path.insert(0, "/usr/lib/netstat-exporter")

from netstat_exporter import main

sys.exit(main())
