"""A private network namespace is one's own, and gone when it is over."""

import os

import pytest

from tests.support.live.namespace import Namespace, private_namespace

pytestmark = pytest.mark.live


def test_namespace_is_private(namespace: Namespace) -> None:
    """Nothing but loopback is inside, and it is not ours."""
    assert os.stat("/proc/self/ns/net").st_ino != os.stat(namespace.path).st_ino
    assert ["lo"] == namespace.run("ls", "/proc/self/net/dev_snmp6").split()


@pytest.mark.usefixtures("isolation")
def test_namespace_ends_with_its_keeper() -> None:
    """No process stays behind."""
    with private_namespace() as made:
        assert os.path.exists(made.path)
    assert not os.path.exists(made.path)
