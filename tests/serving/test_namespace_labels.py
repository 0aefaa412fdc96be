"""Series of other network namespaces have three labels more; the host's have them, empty, where pods are."""

from exporter.sampling.labels import NamespaceLabels, Samples
from exporter.sampling.snapshot import NamespaceSamples, Snapshot
from exporter.serving.metrics import ReloadStatus, Status
from exporter.serving.page import encode_text

STATUS = Status(ReloadStatus(successful=True, success_at_seconds=0.0))
KEY = ("tcp", "ipv4", "listen", "inbound", "80", "http")
LABELS = 'direction="inbound",family="ipv4"'
REST = 'port="80",port_name="http",protocol="tcp",state="listen"'


def series_of(*namespaces: NamespaceSamples) -> list[str]:
    """Return the lines about sockets, and about passes, of a page."""
    samples: dict[str, Samples] = {"netstat_sockets": {KEY: 1}, "netstat_exporter_ports_folded": {(): 0}}
    snapshot = Snapshot(1, 0.0, 0.0, samples, (), (), 0.0, 0.0, 5.0, namespaces)
    lines = encode_text(snapshot, STATUS).decode().splitlines()
    return [line for line in lines if line.startswith(("netstat_sockets{", "netstat_exporter_ports_folded"))]


def namespace(netns: str, kubernetes: str = "", pod: str = "") -> NamespaceSamples:
    """Return a namespace with two listeners."""
    return NamespaceSamples(NamespaceLabels(netns, kubernetes, pod), {"netstat_sockets": {KEY: 2}})


def parse(line: str) -> dict[str, str]:
    """Return the labels of a line."""
    pairs = line[line.index("{") + 1 : line.rindex("}")].split(",")
    return {name: value.strip('"') for name, value in (pair.split("=") for pair in pairs)}


def test_the_host_alone_has_none_of_them() -> None:
    (sockets, folded) = series_of()
    assert set(parse(sockets)) == {"protocol", "family", "state", "direction", "port", "port_name"}
    assert folded == "netstat_exporter_ports_folded 0.0"


def test_a_container_has_its_name_and_the_host_none() -> None:
    (own, container, _) = series_of(namespace("podman:web"))
    assert "netns" not in parse(own)
    assert parse(container).items() >= {"netns": "podman:web", "namespace": "", "pod": ""}.items()


def test_where_a_pod_is_the_host_has_them_empty() -> None:
    """Not what is about the exporter: that has the labels of its own pod."""
    (own, pod, folded) = series_of(namespace("shop/web", "shop", "web"))
    assert parse(own).items() >= {"netns": "", "namespace": "", "pod": ""}.items()
    assert parse(pod).items() >= {"netns": "shop/web", "namespace": "shop", "pod": "web"}.items()
    assert folded == "netstat_exporter_ports_folded 0.0"
