"""The kernel's socket tables: bytes in, values out; knows nothing of what a port means or of HTTP."""
