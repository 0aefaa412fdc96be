"""Label sockets one by one, as the series of the pass are labelled that counted them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from exporter.sampling.counting import PORTLESS_PROTOCOLS
from exporter.sampling.ports import INBOUND, OTHER_PORT, OUTBOUND, PortRules, Service
from exporter.sampling.snapshot import OTHER


class ServiceLabels(NamedTuple):
    """What is said of a service on the page."""

    direction: str
    port: str
    port_name: str


@dataclass(frozen=True)
class Attribution:
    """How the sockets of one pass are attributed.

    ``own`` are the ports with series of their own, ``listening`` by table those that listen or did lately.
    """

    rules: PortRules
    own: Collection[int]
    listening: Mapping[str, Collection[int]]

    def find_tcp_service(self, table: str, local: int, remote: int) -> Service:
        """Return the service of one TCP connection, by the rules that ``counting`` folds whole tables by."""
        if local in self.listening[table]:
            return Service(INBOUND, local if self.rules.is_local_service("tcp", local) else OTHER_PORT)
        if remote in self._remote_tcp_services:
            return Service(OUTBOUND, remote)
        if local in self._local_tcp_services:
            return Service(INBOUND, local)
        return Service(OUTBOUND, OTHER_PORT)

    def find_udp_service(self, protocol: str, local: int, remote: int) -> Service:
        """Return the service of one socket of UDP or UDP-Lite, likewise."""
        if remote == 0:
            return Service(INBOUND, local if self.rules.is_local_service(protocol, local) else OTHER_PORT)
        if remote in self._remote_udp_services:
            return Service(OUTBOUND, remote)
        if local in self._local_udp_services:
            return Service(INBOUND, local)
        return Service(OUTBOUND, OTHER_PORT)

    @cached_property
    def _remote_tcp_services(self) -> Collection[int]:
        return self.rules.remote_services("tcp")

    @cached_property
    def _local_tcp_services(self) -> Collection[int]:
        return frozenset(self.rules.local_services("tcp"))

    @cached_property
    def _remote_udp_services(self) -> Collection[int]:
        return self.rules.remote_services("udp")

    @cached_property
    def _local_udp_services(self) -> Collection[int]:
        return frozenset(self.rules.local_services("udp"))

    def label(self, protocol: str, service: Service) -> ServiceLabels:
        """Return the labels of a service; a port without series of its own is the other port."""
        direction, port = service
        if protocol in PORTLESS_PROTOCOLS:
            return ServiceLabels(direction, "", "")
        if port not in self.own:
            return ServiceLabels(direction, OTHER, OTHER)
        return ServiceLabels(direction, str(port), self.rules.names.of(protocol).get(port, str(port)))
