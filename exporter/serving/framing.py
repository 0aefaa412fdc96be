"""Turn an answer into the bytes of HTTP/1.1, piece by piece."""

from collections.abc import Iterator
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import h11

from exporter.serving.messages import Answer

PIECE_BYTES: Final = 64 << 10


def frame_answer(http: h11.Connection, answer: Answer, *, close: bool, has_body: bool) -> Iterator[bytes]:
    """Yield the head and the pieces of the body, which an answer to HEAD does not have.

    Raises h11.LocalProtocolError when there is nothing to be answered.
    """
    length = str(sum(map(len, answer.parts)))
    headers = {**answer.headers, "Content-Length": length, "Date": formatdate(usegmt=True)}
    if close:
        headers["Connection"] = "close"
    reason = HTTPStatus(answer.status).phrase.encode()
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    yield http.send(h11.Response(status_code=answer.status, headers=encoded, reason=reason)) or b""
    for part in answer.parts if has_body else ():
        for start in range(0, len(part), PIECE_BYTES):
            yield http.send(h11.Data(data=part[start : start + PIECE_BYTES])) or b""
    yield http.send(h11.EndOfMessage()) or b""
