"""Bytes in queues are those of sockets that do not listen, with a zero where there were some lately."""

from exporter.kernel import states
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import Host, listening


def test_queues(host: Host) -> None:
    rows = [
        listening(80, 7),
        listening(22, 3),
        Printed(80, 1, receive=9, send=4),
        Printed(50000, 5432, send=2),
    ]
    samples = host.see(tcp=rows, udp=[Printed(53, state=states.CLOSE, receive=5)]).samples
    received = {key[0::3]: number for key, number in samples["netstat_receive_queue_bytes"].items() if number}
    sent = {key[0::3]: number for key, number in samples["netstat_send_queue_bytes"].items() if number}
    assert received == {("tcp", "80"): 9, ("udp", "53"): 5}
    assert sent == {("tcp", "80"): 4, ("tcp", "5432"): 2}
    assert ("tcp", "22") not in {key[0::3] for key in samples["netstat_send_queue_bytes"]}
    later = host.see(5, tcp=[listening(80)]).samples["netstat_send_queue_bytes"]
    assert later["tcp", "ipv4", "inbound", "80", "http"] == 0
