"""What the tests of live sockets need is needed here, too."""

from tests.live.conftest import isolation, namespace

__all__ = ["isolation", "namespace"]
