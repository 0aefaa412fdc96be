"""States have the kernel's numbers and node_exporter's names."""

import socket

from exporter.kernel import states


def test_tcp_states_are_numbered_as_the_kernel_does() -> None:
    """In the order of include/net/tcp_states.h, without a gap."""
    assert list(states.TCP) == list(range(1, 12))
    assert " ".join(states.TCP.values()) == (
        "established syn_sent syn_recv fin_wait1 fin_wait2 time_wait close close_wait last_ack listen closing"
    )


def test_state_of_a_real_socket() -> None:
    """TCP_INFO begins with the number of the state."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == states.LISTEN
        with socket.create_connection(server.getsockname()) as client:
            assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == states.ESTABLISHED


def test_no_state_has_the_number_of_the_unknown_ones() -> None:
    for named in (states.TCP, states.DATAGRAM, states.UNIX):
        assert states.UNKNOWN not in named
