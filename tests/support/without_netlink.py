"""Run a command to which the kernel denies netlink, as a unit with RestrictAddressFamilies does.

    python -m tests.support.without_netlink COMMAND ...

A seccomp filter makes socket(AF_NETLINK, ...) fail with EAFNOSUPPORT. See seccomp(2).
"""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ERRNO = 0x00050000
SECCOMP_RET_ALLOW = 0x7FFF0000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
SYSCALL_NUMBER, FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data
SOCKET_CALLS = {"x86_64": 41, "aarch64": 198}


class FilterProgram(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def deny_netlink() -> None:
    """Deny it to this process and to what it runs; raises OSError."""
    steps = (
        (LOAD, 0, 0, SYSCALL_NUMBER),
        (JUMP_IF_EQUAL, 0, 3, SOCKET_CALLS[platform.machine()]),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (JUMP_IF_EQUAL, 0, 1, socket.AF_NETLINK),
        (RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EAFNOSUPPORT),
        (RETURN, 0, 0, SECCOMP_RET_ALLOW),
    )
    program = FilterProgram(len(steps), b"".join(struct.pack("=HBBI", *step) for step in steps))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    deny_netlink()
    os.execvp(sys.argv[1], sys.argv[1:])
