"""Read the kernel in one guarded place: by which source, until when, again if need be, at what cost."""
