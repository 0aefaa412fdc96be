"""Show the status of a host on a terminal."""
