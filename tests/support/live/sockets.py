"""Make known sockets, say in one line of JSON what they are, and hold them until standard input ends.

    python -m tests.support.live.sockets SCENE [FILE IPV4 IPV6]

The sockets are in the network namespace that this runs in. Given the file of another namespace and the
addresses that lead there, the listeners are in that one.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from tests.support.live.connections import listen, make_connections, set_up_tcp
from tests.support.live.datagrams import make_datagrams, make_raws
from tests.support.live.made import Kept, Made
from tests.support.live.namespace import ROOT, SERVER_ADDRESSES, Namespace, inside
from tests.support.live.scenarios import (
    EVERY_ROUTE,
    EVERY_STATE,
    LISTENERS,
    MORE_THAN_10000,
    ONE_CLOSE_WAIT,
    TO_HTTP,
    TO_HTTPS,
    TO_IPP,
    Route,
    Scenario,
)
from tests.support.live.unix import make_unix


class Scene(NamedTuple):
    """TCP connections, and whether the sockets of other protocols are made too."""

    routes: Sequence[Route]
    scenarios: Sequence[Scenario]
    others: bool = False


SCENES = {
    "everything": Scene(EVERY_ROUTE, EVERY_STATE, others=True),
    "connections": Scene(EVERY_ROUTE, EVERY_STATE),
    "close-wait": Scene([TO_IPP], ONE_CLOSE_WAIT),
    "many": Scene([TO_HTTP, TO_HTTPS], MORE_THAN_10000),
}


class ScenesError(Exception):
    """The sockets could not be made; standard error says why."""


@contextmanager
def held_sockets(scene: str, client: Namespace, server: Namespace | None = None) -> Iterator[list[Made]]:
    """Hold a scene's sockets in one namespace, or its listeners in another at the end of a cable."""
    elsewhere = [server.path, *SERVER_ADDRESSES] if server else []
    command = client.command(sys.executable, "-m", "tests.support.live.sockets", scene, *elsewhere)
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        line = holder.stdout.readline()
        if not line:
            raise ScenesError(scene)
        yield [Made(**fields) for fields in json.loads(line)]


def main(
    scene_name: str, server: str = "/proc/self/ns/net", ipv4: str = "127.0.0.1", ipv6: str = "::1"
) -> None:
    """Make a scene, say what it is, and hold it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    scene = SCENES[scene_name]
    kept = Kept()
    set_up_tcp()
    with inside(server):
        set_up_tcp()
        listeners = [listen(how) for how in LISTENERS]
    addresses = {"ipv4": ipv4, "ipv6": ipv6}
    made = list(make_connections(scene.routes, scene.scenarios, listeners, addresses, kept))
    if scene.others:
        made += [*make_datagrams(kept), *make_raws(kept), *make_unix(kept)]
    print(json.dumps([one.told() for one in made]), flush=True)  # noqa: T201
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
