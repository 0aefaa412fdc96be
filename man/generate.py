"""Write the manual page: flags from the parser, and the sections below.

``python -m man.generate`` writes; the tests compare.
"""

from pathlib import Path
from typing import Final

from argparse_manpage.manpage import Manpage

from exporter.flags import EVERY_OPTION, make_parser
from exporter.options import name_variable

PAGE: Final = Path(__file__).parent / "netstat-exporter.1"

_SECTIONS: Final = {
    "examples": r""".TP
.B netstat\-exporter
Serve the counts on port 9068, of IPv4 and IPv6.
.TP
.B netstat\-exporter \-\-once
Print one pass.
.TP
.B netstat\-exporter show
Who leaks, and what runs out?
.TP
.B netstat\-exporter show \-\-state close_wait \-\-by unit \-\-watch
Whose sockets are in CLOSE_WAIT, every five seconds?
""",
    "environment": r"""Where a flag is not given, its variable is used. An empty variable counts as not set.
Several addresses are separated by commas. For a flag without a value it is true or false.
""",
    "signals": r""".TP
.B SIGHUP
Reload the configuration and the services file. A configuration with an error changes nothing, and is logged.
.TP
.BR SIGTERM ", " SIGINT
End.
""",
    "exit status": r""".TP
.B 0
A signal stopped it, or it did what it was asked for.
.TP
.B 1
It failed while it ran.
.TP
.B 2
A flag, a variable, a file or an address is wrong, or another distribution has replaced files of this one.
""",
    "files": r"""None is required. The service of systemd has
.TP
.I /etc/netstat\-exporter/config.yaml
the configuration, and
.TP
.I /etc/default/netstat\-exporter
its flags.
""",
    "see also": r""".BR ss (8),
.BR netstat (8),
.BR tcp (7)
.PP
Metrics, alerts, runbooks and configuration are explained at
.I https://github.com/netstat\-exporter/netstat\-exporter
""",
}


def render_page() -> str:
    """Return the page; without a date or a version, which would change it where nothing else has changed."""
    parser = make_parser()
    parser.epilog = None
    page = Manpage(parser)
    page.date, page.source, page.manual = "", parser.prog, "User Commands"
    page.description = "count sockets by protocol, state and service port for Prometheus"
    for heading, text in _SECTIONS.items():
        page.add_section(heading, ">", text)
    for flag, option in EVERY_OPTION.items():
        if option.has_variable:
            name = flag.replace("-", r"\-")
            page.add_section("environment", ">", f".TP\n.B {name_variable(flag)}\n{name}\n")
    return "".join(f"{line.rstrip()}\n" for line in str(page).splitlines() if line.strip())


def main() -> None:
    """Write the page."""
    PAGE.write_text(render_page())


if __name__ == "__main__":
    main()
