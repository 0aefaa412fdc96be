"""Count the kernel's sockets by protocol, state and service port, and serve the counts to Prometheus."""

__version__ = "0.2.0"
