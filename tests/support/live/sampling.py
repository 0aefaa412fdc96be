"""Take passes of the sampler inside network namespaces, and look at what they say."""

from collections.abc import Mapping
from dataclasses import replace

from exporter.config.settings import Namespaces, Settings
from exporter.kernel.procfs import Procfs
from exporter.sampling.labels import Samples
from exporter.sampling.sampler import Sampler
from exporter.sampling.services.names import name_ports
from tests.support.live.namespace import Namespace, inside

NAMES = name_ports({}, b"")
"""The bundled names of ports: whatever services file is here does not matter."""


def make_sampler(settings: Settings | None = None, procfs: Procfs | None = None) -> Sampler:
    """Return a sampler that knows the bundled names; without settings it has the defaults.

    Namespaces of other tests are none of its business.
    """
    alone = replace(settings or Settings(), namespaces=Namespaces(enabled=False))
    return Sampler(procfs or Procfs(), alone, NAMES)


def take_samples(namespace: Namespace, settings: Settings | None = None) -> Mapping[str, Samples]:
    """Return the samples of one pass in a namespace, by the name of their metric."""
    with inside(namespace.path):
        return make_sampler(settings).take_snapshot().samples


def set_sysctl(namespace: Namespace, name: str, value: object) -> None:
    """Set a parameter of IPv4 in a namespace."""
    namespace.run("sh", "-c", f'echo {value} >"/proc/sys/net/ipv4/{name}"')


def without_zeros(samples: Samples) -> dict[tuple[str, ...], float]:
    """Return the samples that are not 0."""
    return {labels: value for labels, value in samples.items() if value}
