"""The kernel's counters of connections are shown by its own names, and what it does not show is absent."""

from tests.support.sampling.host import Host, collector_of

NAMES = b"Tcp: RtoMin MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets InSegs OutSegs RetransSegs"
SNMP = NAMES + b"\nTcp: 200 -1 1 2 3 4 5 6 7 8 9\nUdp: NoPorts\nUdp: 10\n"
PREFIX = "netstat_tcp_"


def counters(host: Host) -> dict[str, float]:
    """Return the counters after a pass, by what follows the prefix of their names."""
    samples = host.see().samples
    return {
        name.removeprefix(PREFIX): found[()]
        for name, found in samples.items()
        if name.startswith(PREFIX) and name.endswith("_total")
    }


def test_counters(host: Host) -> None:
    host.tree.write("snmp", SNMP)
    assert counters(host) == {
        "connections_opened_total": 1,
        "connections_accepted_total": 2,
        "connection_attempts_failed_total": 3,
        "connections_reset_total": 4,
        "segments_sent_total": 6,
        "segments_retransmitted_total": 7,
    }


def test_what_the_kernel_does_not_show_is_absent(host: Host) -> None:
    assert counters(host) == {}
    host.tree.write("snmp", b"Tcp: ActiveOpens RetransSegs\nTcp: x 7\n")
    assert counters(host) == {"segments_retransmitted_total": 7}


def test_a_file_that_cannot_be_read_costs_these_only(host: Host) -> None:
    host.tree.write("snmp", SNMP)
    host.tree.make_fifo("snmp")
    snapshot = host.see()
    assert collector_of(snapshot, "tcp_counters").error
    assert "netstat_sockets" in snapshot.samples
