"""Load what flags name: the configuration, and the names of ports."""

from typing import Final

import structlog

from exporter.config.loader import load
from exporter.config.settings import Settings
from exporter.files import read_regular_file
from exporter.flags import Flags
from exporter.sampling.services.names import PortNames, name_ports

_LARGEST_SERVICES_BYTES: Final = 4 << 20

log = structlog.get_logger()


def load_settings(flags: Flags) -> Settings:
    """Read the configuration file, if there is one; raises ConfigError."""
    return load(flags.config_file) if flags.config_file else Settings()


def load_names(flags: Flags, settings: Settings) -> PortNames:
    """Read the services file, and return the names of ports."""
    services = b""
    try:
        services = read_regular_file(flags.path_services, _LARGEST_SERVICES_BYTES)
    except OSError as error:
        log.warning(
            "services file unreadable, using bundled port names only",
            file=flags.path_services,
            error=error.strerror,
        )
    return name_ports(settings.ports.names, services)
