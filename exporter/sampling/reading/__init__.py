"""Read the kernel in one guarded place: choose the source, time out, retry, fall back, measure the cost."""
