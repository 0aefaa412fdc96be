"""What a port means: its name, the direction of a socket, and which services have series of their own."""
