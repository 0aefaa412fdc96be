"""Name the service ports: the operator's names first, then the services file, then a bundled list.

The bundled list has well-known services that /etc/services lacks. It is the only source where that file does
not exist, as in most containers. Format of the file: services(5).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from exporter.sampling.labels import label_value

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_BLANK: Final = rb"[^\S\n]"
_ENTRY: Final = re.compile(
    rb"^%b*([^\s#]+)%b+0*([0-9]{1,5})/((?i:tcp|udp))(?![^\s#])" % (_BLANK, _BLANK), re.MULTILINE
)

_BUNDLED_TCP: Final[Mapping[int, str]] = MappingProxyType(
    {
        20: "ftp-data",
        21: "ftp",
        22: "ssh",
        23: "telnet",
        25: "smtp",
        53: "domain",
        80: "http",
        88: "kerberos",
        110: "pop3",
        111: "sunrpc",
        123: "ntp",
        135: "epmap",
        139: "netbios-ssn",
        143: "imap2",
        179: "bgp",
        389: "ldap",
        443: "https",
        445: "microsoft-ds",
        465: "submissions",
        514: "shell",
        515: "printer",
        587: "submission",
        631: "ipp",
        636: "ldaps",
        853: "domain-s",
        873: "rsync",
        989: "ftps-data",
        990: "ftps",
        993: "imaps",
        995: "pop3s",
        1080: "socks",
        1433: "ms-sql-s",
        1521: "oracle",
        1883: "mqtt",
        2049: "nfs",
        2181: "zookeeper",
        2375: "docker",
        2376: "docker-s",
        2377: "swarm",
        2379: "etcd-client",
        2380: "etcd-server",
        3000: "grafana",
        3100: "loki",
        3128: "squid",
        3260: "iscsi-target",
        3268: "msft-gc",
        3306: "mysql",
        3389: "ms-wbt-server",
        4222: "nats",
        4317: "otlp-grpc",
        4318: "otlp-http",
        5044: "beats",
        5060: "sip",
        5061: "sip-tls",
        5222: "xmpp-client",
        5269: "xmpp-server",
        5432: "postgresql",
        5601: "kibana",
        5671: "amqps",
        5672: "amqp",
        5900: "vnc",
        5984: "couchdb",
        6379: "redis",
        6432: "pgbouncer",
        6443: "kube-apiserver",
        6650: "pulsar",
        7000: "cassandra",
        7233: "temporal",
        7474: "neo4j-http",
        7687: "neo4j-bolt",
        8080: "http-alt",
        8086: "influxdb",
        8123: "clickhouse-http",
        8125: "statsd",
        8200: "vault",
        8300: "consul-server",
        8301: "consul-serf",
        8404: "haproxy-stats",
        8443: "https-alt",
        8500: "consul",
        8529: "arangodb",
        8883: "secure-mqtt",
        9000: "clickhouse",
        9042: "cassandra-cql",
        9068: "netstat-exporter",
        9090: "prometheus",
        9091: "pushgateway",
        9092: "kafka",
        9093: "alertmanager",
        9100: "node-exporter",
        9115: "blackbox-exporter",
        9200: "elasticsearch",
        9300: "elasticsearch-node",
        9411: "zipkin",
        9418: "git",
        9901: "envoy-admin",
        10250: "kubelet",
        10256: "kube-proxy",
        10257: "kube-controller-manager",
        10259: "kube-scheduler",
        11211: "memcached",
        14250: "jaeger-grpc",
        14268: "jaeger-http",
        15000: "envoy",
        15672: "rabbitmq-management",
        16379: "redis-cluster-bus",
        16686: "jaeger-query",
        25672: "rabbitmq-node",
        26257: "cockroachdb",
        26379: "redis-sentinel",
        27017: "mongodb",
        28015: "rethinkdb",
    }
)
_BUNDLED_UDP: Final[Mapping[int, str]] = MappingProxyType(
    {
        53: "domain",
        67: "bootps",
        68: "bootpc",
        69: "tftp",
        88: "kerberos",
        111: "sunrpc",
        123: "ntp",
        137: "netbios-ns",
        138: "netbios-dgm",
        161: "snmp",
        162: "snmp-trap",
        443: "https",
        500: "isakmp",
        514: "syslog",
        546: "dhcpv6-client",
        547: "dhcpv6-server",
        853: "domain-s",
        1194: "openvpn",
        1812: "radius",
        1813: "radius-acct",
        2049: "nfs",
        2055: "netflow",
        3478: "stun",
        4500: "ipsec-nat-t",
        4789: "vxlan",
        5060: "sip",
        5353: "mdns",
        5355: "llmnr",
        6081: "geneve",
        6343: "sflow",
        8125: "statsd",
        8301: "consul-serf",
        8472: "flannel-vxlan",
        11211: "memcached",
        51820: "wireguard",
    }
)
_BUNDLED: Final = {"tcp": _BUNDLED_TCP, "udp": _BUNDLED_UDP}


@dataclass(frozen=True, slots=True)
class PortNames:
    """The names of ports; those the operator ``configured`` hold for every protocol."""

    configured: Mapping[int, str]
    tcp: Mapping[int, str]
    udp: Mapping[int, str]

    def of(self, protocol: str) -> Mapping[int, str]:
        """Return port names for ``tcp``, or for a protocol that shares UDP's ports."""
        return self.tcp if protocol == "tcp" else self.udp


def name_ports(configured: Mapping[int, str], services: bytes) -> PortNames:
    """Join the operator's names, a services file's text and the bundled list; a port's first name wins.

    What is no entry for one port of TCP or UDP is passed over, such as ranges, other protocols and port 0.
    """
    found: dict[str, dict[int, str]] = {"tcp": {}, "udp": {}}
    for entry in _ENTRY.finditer(services.removeprefix(_BYTE_ORDER_MARK)):
        port, names = int(entry[2]), found[entry[3].decode().lower()]
        if 0 < port < 65536 and port not in names:  # noqa: PLR2004
            names[port] = label_value(entry[1])
    merged = {
        protocol: {**bundled, **found[protocol], **configured} for protocol, bundled in _BUNDLED.items()
    }
    return PortNames(configured, MappingProxyType(merged["tcp"]), MappingProxyType(merged["udp"]))
