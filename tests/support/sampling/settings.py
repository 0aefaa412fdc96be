"""What the samplers of tests are set to, unless a test says otherwise."""

from dataclasses import replace

from exporter.config.settings import Ports, Settings
from exporter.sampling.services.names import name_ports

NAMES = name_ports({}, b"")
"""The bundled names alone."""

SETTINGS = replace(
    Settings(),
    tables=("tcp", "tcp6", "udp"),
    cpu_budget=1.0,
    timeout_seconds=30.0,
    ports=Ports(always=(443,)),
)
