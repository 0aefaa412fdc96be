"""Count and attribute: rows of the kernel's tables become a snapshot."""
