"""Read what mountinfo writes.

Source: proc_pid_mountinfo(5), ``mangle_path`` in fs/seq_file.c.
"""

import re
from typing import Final

_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")


def unescape_place(place: bytes) -> bytes:
    """Return a path as it was before the kernel escaped blanks and backslashes in it."""
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), place)
