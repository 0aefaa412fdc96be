"""Every panel of both dashboards has something to show when a Prometheus watches a host on a bad day."""

from collections.abc import Iterator

import pytest

from tests.support.dashboard import FILES, Query, read_queries
from tests.support.live.watched import watched_incident
from tests.support.patience import wait_until
from tests.support.prometheus import Prometheus

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("isolation")]


@pytest.fixture(scope="module")
def prometheus(isolation: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Watch the bad day, for all queries the same."""
    del isolation
    with watched_incident(tmp_path_factory.mktemp("watched"), "200ms") as watching:
        yield watching


@pytest.mark.parametrize("query", [query for path in FILES for query in read_queries(path)], ids=str)
def test_query_has_an_answer(prometheus: Prometheus, query: Query) -> None:
    """Values that are none, as of a division by zero, do not count."""
    wait_until(lambda: any(value == value for value in prometheus.query(query.chosen).values()))  # noqa: PLR0124
