"""A kernel of its own: User-Mode Linux, on this machine's files, which it can only read.

What is changed in that kernel is gone with it. Its first process is

    python -m tests.support.live.own_kernel MODULE

which runs the module's ``main``. See https://docs.kernel.org/virt/uml/user_mode_linux_howto_v2.html.
"""

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from tests.support.live.namespace import ROOT
from tests.support.requirements import require, require_command

BOOTED = "the kernel has booted"
POWER_OFF = 0x4321FEDC  # LINUX_REBOOT_CMD_POWER_OFF; see reboot(2)
MACHINE = ("mem=512M", "rootfstype=hostfs", "ro", "quiet", "con=null", "con0=fd:0,fd:1")


def run_in_own_kernel(module: str, folder: Path, limit_seconds: float) -> None:
    """Boot a kernel for a module's ``main``; fail, with the console, when that fails or takes too long.

    The folder is for the console, and for the file that is the kernel's memory.
    """
    command = [
        require_command("linux.uml", "user-mode-linux"),
        *(*MACHINE, f"uml_dir={folder}"),
        *(f"PATH={os.defpath}", f"PYTHONPATH={ROOT}", "TMPDIR=/run"),
        *(f"init={sys.executable}", "--", "-m", __name__, module),
    ]
    console = folder / "console"
    with console.open("wb") as output:
        kernel = subprocess.Popen(
            command,
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    ended = None
    try:
        with suppress(subprocess.TimeoutExpired):
            ended = kernel.wait(limit_seconds)
    finally:
        with suppress(ProcessLookupError):  # each process in it is one here, too
            os.killpg(kernel.pid, signal.SIGKILL)
        kernel.wait()
    said = console.read_text(errors="replace").strip()
    why = next((line for line in said.splitlines() if "panic" in line), said.rpartition("\n")[2])
    late, remedy = "", "allow ptrace(2), and a temporary folder without noexec"
    if ended is None:
        late, remedy = f" in {limit_seconds:g} s", "leave it more of the CPU"
    require(f"User-Mode Linux does not boot{late}: {why}", remedy, met=BOOTED in said)
    assert ended == 0, said


def main(module: str, *_: str) -> None:
    """Be the first process, whose end is a panic unless it turned off the power; the kernel adds words."""
    print(BOOTED, flush=True)  # noqa: T201
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/run")):
        subprocess.run(["mount", "-t", kind, kind, place], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    import_module(module).main()
    ctypes.CDLL(None).reboot(POWER_OFF)


if __name__ == "__main__":
    main(*sys.argv[1:])
