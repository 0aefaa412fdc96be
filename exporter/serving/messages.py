"""Define requests and answers, independent of their transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)
"""The answer to a client beyond the limit of connections."""

PLAIN_TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request; it never has a body.

    ``path`` is decoded and without the ``query``, which is not. Names of ``headers`` are in lower case, and
    the values of one that came several times are joined by commas. ``peer`` is the identity of the client,
    see ``admission.identify``.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    peer: bytes = b""
    query: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; its body is the parts, one after the other.

    ``rejected`` is the reason under which a refusal is counted.
    """

    status: int
    parts: Sequence[bytes]
    headers: Mapping[str, str] = field(default_factory=lambda: PLAIN_TEXT)
    rejected: str | None = None


def say(
    status: int, text: str, headers: Mapping[str, str] | None = None, rejected: str | None = None
) -> Answer:
    """Return an answer of one line of text."""
    return Answer(status, [f"{text}\n".encode()], {**PLAIN_TEXT, **(headers or {})}, rejected)


class RefusalError(Exception):
    """A request is refused; ``answer`` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer
