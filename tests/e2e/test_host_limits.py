"""The shipped alerts on limits that no network namespace has of its own fire on a real Prometheus, too."""

from pathlib import Path

import pytest

from tests.support import requirements
from tests.support.e2e import host_limits
from tests.support.live.own_kernel import run_in_own_kernel

pytestmark = [pytest.mark.live, pytest.mark.long]

LIMIT_SECONDS = 150


def test_every_alert_on_the_limits_of_a_host_fires(tmp_path: Path) -> None:
    requirements.require_root()
    requirements.require_command("prometheus", "prometheus")
    requirements.require_command("ip", "iproute2")
    run_in_own_kernel(host_limits.__name__, tmp_path, LIMIT_SECONDS)
