"""Read the files that the operator names, without blocking on files that are not regular."""

import errno
import os
import stat


def read_regular_file(path: str, limit_bytes: int) -> bytes:
    """Return the whole content of a regular file, read once.

    A FIFO, device or directory is refused before it is read, a file over ``limit_bytes`` while it is read.

    Raises OSError, whose ``strerror`` says what is wrong with the path.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise OSError(errno.EFBIG, f"larger than {limit_bytes} bytes", path)
    return content
