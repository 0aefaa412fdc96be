"""A person sees who leaks and what runs out, on a wide terminal and on one of 40 columns."""

import dataclasses
import re
from typing import get_type_hints

import pytest

from exporter.status.model import Loss, Resource, Silence
from exporter.status.names import KINDS
from exporter.terminal.options import BY_POD, BY_PORT, BY_UNIT
from exporter.terminal.sections import Peers
from exporter.terminal.selection import is_listening, select_port, select_services
from exporter.terminal.tables import measure_width
from exporter.terminal.view import View, Wanted
from tests.support.status.hosts import leaky_host
from tests.support.status.snapshots import make_snapshot, sockets, status_of


def plain(text: str, _: str) -> str:
    """Paint nothing."""
    return text


def section(lines: list[str], title: str) -> list[str]:
    """Return the lines below a title."""
    start = lines.index(title) + 1
    return lines[start : lines.index("", start)] if "" in lines[start:] else lines[start:]


WIDE = View(None, plain)


def test_the_first_lines_say_what_is_wrong_and_where_to_read_on() -> None:
    lines = WIDE.render(leaky_host(), Wanted(), "from a test")
    assert lines[0] == "web1: 22,661 sockets, from a test"
    assert lines[2] == (
        "critical: shop.service does not close connections: 933 sockets, inbound tcp port 8080 (name-8080), "
        "are stuck in CLOSE_WAIT, the oldest for 4m 1s. [NetstatCloseWaitLeak]"
    )
    assert lines[4:6] == ["", "Who leaks?"]


def test_the_last_lines_say_what_to_do_about_each_alert_once() -> None:
    status = leaky_host()
    twice = dataclasses.replace(status, problems=(*status.problems, *status.problems))
    rows = WIDE.render(twice, Wanted())
    rows = rows[rows.index("What to do?") + 1 :]
    assert rows[0].startswith("NetstatCloseWaitLeak: Restart the owner, ")
    assert rows[1].startswith("https://")
    assert rows[1].endswith("/docs/runbooks/NetstatCloseWaitLeak.md")
    assert [row.partition(":")[0] for row in rows[2:]] == ["NetstatOpenFilesRunningOut", "https"]


def test_who_leaks_with_owner_age_and_files_left() -> None:
    rows = section(WIDE.render(leaky_host(), Wanted()), "Who leaks?")
    assert [row.split("  ")[0] for row in rows] == ["Owner", "shop.service", "shop/web-7c9d"]
    assert rows[0].split() == ["Owner", "Dir", "Port", "CloseWait", "Stuck", "Oldest", "Files"]
    assert rows[1].split() == [
        "shop.service",
        "in",
        "8080",
        "(name-8080)",
        "936",
        "933",
        "4m",
        "1s",
        "968/1024",
    ]
    assert rows[2].split() == ["shop/web-7c9d", "out", "6379", "(name-6379)", "12"]


def test_what_runs_out_begins_with_the_fullest() -> None:
    rows = section(WIDE.render(leaky_host(), Wanted()), "What runs out?")
    assert [row.split("  ")[0] for row in rows[1:]] == [
        "Open files",
        "TIME_WAIT table",
    ]
    assert rows[1].split()[2] == "shop.service"
    assert rows[1].split()[-3:] == ["1,024", "94.5", "%"]


def test_services_are_in_the_columns_of_netstat_the_busiest_first() -> None:
    rows = section(WIDE.render(leaky_host(), Wanted()), "Sockets by service")
    assert rows[0].split()[:4] == ["Proto", "Recv-Q", "Dir", "Port"]
    assert rows[1].split() == ["tcp", "out", "5432", "(name-5432)", "21,624", "212", "21,412", "0"]
    assert rows[2].split()[1:] == [
        "41984",
        "in",
        "8080",
        "(name-8080)",
        "1,025",
        "88",
        "936",
        "1",
        "shop.service",
    ]


def test_a_host_without_troubles_says_so() -> None:
    samples = {"netstat_sockets": sockets("established", 3)}
    lines = WIDE.render(status_of(make_snapshot(samples), make_snapshot(samples, 5.0)), Wanted())
    assert lines[2:8] == [
        "Nothing is wrong.",
        "",
        "Who leaks?",
        "Nobody: no socket is in CLOSE_WAIT.",
        "",
        "What runs out?",
    ]
    assert "What was dropped?" not in lines


def test_a_single_pass_does_not_say_that_nothing_is_wrong() -> None:
    """Whatever leaks: it knows no ages yet."""
    lines = WIDE.render(status_of(make_snapshot({"netstat_sockets": sockets("close_wait", 500)})), Wanted())
    assert lines[2].startswith("Nothing is wrong that a single pass can see. ")


def test_what_was_not_measured_is_empty_and_no_zero() -> None:
    """A single pass knows no ages."""
    status = status_of(make_snapshot({"netstat_sockets": sockets("close_wait", 5)}))
    rows = section(WIDE.render(status, Wanted()), "Who leaks?")
    assert rows == ["Dir  Port              CloseWait", "in   8080 (name-8080)          5"]


def test_every_line_fits_40_columns_and_still_says_who_leaks() -> None:
    lines = View(40, plain).render(leaky_host("a-very-long-name-of-a-unit.service"), Wanted())
    assert max(map(measure_width, lines)) <= 40
    assert section(lines, "Who leaks?")[1].split()[-1] == "936"


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        (BY_UNIT, {"unknown": 21624, "shop.service": 1025, "web": 12}),
        (BY_POD, {"host": 22649, "shop/web-7c9d": 12}),
        (BY_PORT, {"5432 (name-5432)": 21624, "8080 (name-8080)": 1025, "6379 (name-6379)": 12}),
    ],
)
def test_sockets_are_added_up_by_unit_pod_or_port(by: str, rows: dict[str, int]) -> None:
    _, *lines = WIDE.render(leaky_host(), Wanted(by=by))
    if by == BY_UNIT:
        assert lines.pop().startswith("unknown: only the owners of what listens ")
    names = [line.partition("  ")[0] for line in lines]
    counts = [line[len(name) :].split()[0] for line, name in zip(lines, names, strict=True)]
    assert {name: int(count.replace(",", "")) for name, count in zip(names, counts, strict=True)} == rows


def test_a_state_alone_has_a_column_of_its_own() -> None:
    lines = WIDE.render(leaky_host(), Wanted(state="close_wait"))
    assert "CLOSE_WAIT" in lines[0].split()
    assert [line.split()[-2 - ("8080" in line)] for line in lines[1:]] == ["936", "12"]


def test_what_listens_has_its_accept_queue_and_unit() -> None:
    status = select_services(leaky_host(), is_listening)
    lines = WIDE.render(status, Wanted(listeners=True))
    assert lines[0].split() == ["Proto", "Port", "Listens", "on", "Sockets", "Accept-Q", "Estab", "Owner"]
    assert lines[1:] == ["tcp    8080 (name-8080)  any               1     3/128     88  shop.service"]


@pytest.mark.parametrize("port", ["8080", "name-8080"])
def test_a_port_is_selected_everywhere_by_number_or_name(port: str) -> None:
    status = select_port(leaky_host(), port)
    rows = (*status.services, *status.leaks, *status.problems, *status.resources)
    assert {row.port for row in rows} == {"8080"}
    assert (status.services_total, status.leaks_total) == (1, 1)
    assert WIDE.render(select_port(status, "1"), Wanted(state="listen")) == ["No such sockets."]


def test_a_port_without_troubles_does_not_say_that_the_host_has_none() -> None:
    status = dataclasses.replace(leaky_host(), history_at_seconds=(0.0, 5.0))
    lines = WIDE.render(select_port(status, "5432"), Wanted(port="5432"))
    assert lines[2:6] == [
        "Nothing is wrong at port 5432.",
        "",
        "Who leaks?",
        "No socket of it is in CLOSE_WAIT.",
    ]


def test_a_port_that_is_nowhere_is_no_good_news() -> None:
    lines = WIDE.render(select_port(leaky_host(), "htttp"), Wanted(port="htttp"))
    assert lines[2:] == ["No socket is counted at a port that is called htttp."]


def test_a_port_may_be_among_the_services_that_the_status_leaves_out() -> None:
    left = "1,200 services with fewer sockets are not counted here."
    nowhere = WIDE.render(select_port(leaky_host(), "9999"), Wanted(port="9999", unseen=1200))
    assert nowhere[2:] == [
        "No socket of the busiest services is counted at a port that is called 9999.",
        left,
    ]
    somewhere = WIDE.render(select_port(leaky_host(), "5432"), Wanted(port="5432", unseen=1200))
    assert section(somewhere, "Sockets by service")[-1] == left


def test_a_remedy_has_the_colour_of_the_worst_problem_it_is_for() -> None:
    status = leaky_host()
    worst = status.problems[0]
    lesser = dataclasses.replace(worst, severity="warning")
    view = View(None, lambda text, style: f"{style}: {text}")
    lines = view.render(dataclasses.replace(status, problems=(worst, lesser)), Wanted())
    assert lines[lines.index("title: What to do?") + 1].startswith(f"critical: {worst.alert}")


def test_every_table_says_how_many_rows_it_leaves_out() -> None:
    status = leaky_host()
    loss = Loss(severity="ok", kind="udp_drops", total=3, port="53")
    silence = Silence(severity="ok", waiting={"data": 3}, unanswered=3, port="53")
    crowded = dataclasses.replace(
        status,
        leaks=status.leaks * 11,
        leaks_total=22,
        losses=(loss,) * 12,
        losses_total=600,
        silences=(silence,) * 11,
        silences_total=11,
        resources=status.resources * 9,
        resources_total=len(status.resources) * 9,
        services_total=40,
    )
    lines = WIDE.render(crowded, Wanted())
    assert section(lines, "Who leaks?")[-1] == "2 more; see them with --state=close_wait."
    assert section(lines, "What was dropped?")[-1] == "590 more; see them with --json."
    assert section(lines, "Who does not answer?")[-1] == "1 more; see them with --json."
    rows = section(lines, "What runs out?")
    left = len(crowded.resources) - len(rows[1:-1])
    assert rows[-1] == f"{left} more; see them with --json."
    assert section(lines, "Sockets by service")[-1] == "37 more; see them with --by=port."
    assert WIDE.render(status, Wanted(by=BY_POD, unseen=1200))[-1] == (
        "1,200 services with fewer sockets are not counted here."
    )


def test_very_many_problems_do_not_hide_the_tables() -> None:
    status = leaky_host()
    lines = WIDE.render(dataclasses.replace(status, problems=status.problems[:1] * 50), Wanted())
    assert lines[21:25] == [lines[2], "And 30 more, which are marked below.", "", "Who leaks?"]


def test_the_kinds_have_the_names_of_the_page() -> None:
    """Every kind of the model has one, so that no key is ever shown."""
    kinds = get_type_hints(Resource, include_extras=True)["kind"].__metadata__[0]
    kinds += get_type_hints(Loss, include_extras=True)["kind"].__metadata__[0]
    assert set(re.findall(r"`(\w+)`", kinds)) == KINDS.keys()


def test_80_columns_show_a_leak_with_its_owner_age_and_time_left() -> None:
    lines = View(80, plain).render(leaky_host("checkout.service"), Wanted())
    titles, row, _ = section(lines, "Who leaks?")
    assert titles.split() == ["Owner", "Dir", "Port", "CloseWait", "Stuck", "Oldest", "Files"]
    assert row.startswith("checkout.service  in   8080 (name-8080)  ")


def test_remote_addresses_are_shown_where_they_are_given() -> None:
    status = leaky_host()
    lines = WIDE.render(status, Wanted(), peers=[Peers(status.leaks[0], [("192.0.2.7", 900), ("::1", 36)])])
    rows = section(lines, "Where do the leaks lead to?")
    assert [row.split()[3:] for row in rows[1:]] == [["192.0.2.7", "900"], ["::1", "36"]]


def test_names_cannot_give_orders_to_the_terminal() -> None:
    lines = View(60, plain).render(leaky_host("\x1b[2J\x9b31m\nevil\N{RIGHT-TO-LEFT OVERRIDE}"), Wanted())
    assert all(line.isprintable() for line in lines)
