"""During a real leak a real browser shows who leaks, on a phone and a desktop, in light and dark."""

import re
from collections.abc import Iterator

import pytest
import yaml

from exporter.status.encoding import decode_status
from exporter.status.model import Leak, Status
from tests.support import requirements
from tests.support.daemon import Daemon
from tests.support.live.browser import Browser, browsing
from tests.support.live.incident import CHECKOUT, incident
from tests.support.live.namespace import Namespace, two_hosts
from tests.support.live.watched import QUICK, daemon_inside
from tests.support.patience import wait_until

pytestmark = pytest.mark.live

CONFIG = {**QUICK, "namespaces": {"enabled": False}}
ENOUGH = 4.5
"""The contrast of text that WCAG 2.2 wants at level AA (1.4.3); 3 for large text."""

FIND_FAINT_TEXT = f"""
(() => {{
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {{
    for (; element; element = element.parentElement) {{
      const color = parse(getComputedStyle(element).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }}
    return null;
  }};
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {{
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const lights = [luminance(parse(style.color)), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (lights[0] + 0.05) / (lights[1] + 0.05);
    if (ratio < (isLarge ? 3 : {ENOUGH})) found.push([element.textContent.trim().slice(0, 40), ratio]);
  }}
  return found;
}})()
"""
COUNT_TEXT = "document.body.innerText.length"
LEAKS = "[...document.querySelectorAll('section[aria-labelledby=leaks] tbody tr')]"
READ_LEAK = f"{LEAKS}.map((row) => row.innerText).find((text) => text.includes('checkout'))"


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Namespace, Namespace]]:
    """Make two hosts for all of these tests."""
    requirements.require_root()
    with two_hosts() as made:
        yield made


@pytest.fixture(scope="module")
def daemon(hosts: tuple[Namespace, Namespace], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run the exporter on a host with a bad day, until it knows what is wrong."""
    config = tmp_path_factory.mktemp("page") / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    with daemon_inside(hosts[0], f"--config.file={config}") as running, incident(*hosts):
        wait_until(lambda: running.ask("/-/ready").status == 200)
        wait_until(lambda: knows(read_status(running)))
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run a browser for all of these tests."""
    with browsing() as running:
        yield running


def read_status(daemon: Daemon) -> Status:
    """Return the status as JSON has it."""
    return decode_status(daemon.ask("/api/v1/status").body)


def knows(status: Status) -> bool:
    """Tell whether the worst leak is known, and was for long enough to have a line."""
    return any(leak.stuck and len(leak.history) > 2 for leak in status.leaks if is_checkout(leak))


def is_checkout(leak: Leak) -> bool:
    """Tell whether a leak is the one that grows."""
    return leak.port == str(CHECKOUT)


def count_leaked(host: Namespace) -> int:
    """Return how many sockets ss sees in CLOSE_WAIT at the port that leaks."""
    listed = host.run("ss", "--tcp", "--numeric", "--no-header", "state", "close-wait", f"sport = {CHECKOUT}")
    return len(listed.splitlines())


def address(daemon: Daemon, query: str = "") -> str:
    """Return the address of the page."""
    return f"http://127.0.0.1:{daemon.port}/{query}"


def test_the_page_says_who_leaks(
    daemon: Daemon, browser: Browser, hosts: tuple[Namespace, Namespace]
) -> None:
    """What it shows lies between what ss saw before and sees after, as the leak goes on."""
    requirements.require_command("ss", "iproute2")
    browser.resize(1280)
    before = count_leaked(hosts[0])
    wait_until(lambda: any(leak.sockets >= before for leak in filter(is_checkout, read_status(daemon).leaks)))
    browser.open(address(daemon, "?refresh=off"))
    cells = browser.ask(READ_LEAK).split("\t")
    assert "inbound" in cells
    assert f"checkout {CHECKOUT}" in cells
    shown = int(cells[5].replace(",", ""))
    assert before <= shown <= count_leaked(hosts[0])
    assert browser.ask("document.querySelectorAll('section[aria-labelledby=leaks] svg path').length") >= 1
    assert browser.complaints == []


def test_no_remote_address_is_shown(daemon: Daemon) -> None:
    addresses = re.compile(rb"192\.0\.2\.|2001:db8:|127\.0\.0\.1")
    for path in ("/", "/api/v1/status"):
        assert not addresses.search(daemon.ask(path).body)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_can_be_read(daemon: Daemon, browser: Browser, width: int, *, dark: bool) -> None:
    browser.resize(width)
    browser.prefer(dark=dark)
    browser.open(address(daemon, "?refresh=off"))
    assert browser.ask("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
    assert browser.ask(COUNT_TEXT) > 1000
    assert browser.ask(FIND_FAINT_TEXT) == []
    is_dark = browser.ask("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert is_dark == dark
    assert browser.complaints == []


def test_it_refreshes_without_scripts_until_it_is_stopped(daemon: Daemon, browser: Browser) -> None:
    browser.open(address(daemon))
    taken = browser.ask("document.querySelector('.facts').innerText")
    browser.wait_for_load()
    assert taken != browser.ask("document.querySelector('.facts').innerText")
    browser.ask("document.querySelector('a[href=\"?refresh=off\"]').click()")
    browser.wait_for_load()
    assert browser.ask("location.search") == "?refresh=off"
    assert browser.ask("document.querySelector('a[href=\"?refresh=on\"]') !== null")
    assert browser.complaints == []
