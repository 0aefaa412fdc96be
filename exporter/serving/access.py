"""Check basic authentication, RFC 7617, against bcrypt hashes, at a bounded cost.

- Nothing shows whether a user exists: an unknown user costs as much as a known one.
- bcrypt takes 50 ms or more of a core: passwords are checked one at a time, outside the event loop.
- A right password is remembered as a keyed hash, so that the next request is fast.
- Failed attempts are limited by address: ten, then one a second.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import time
from collections.abc import Mapping
from typing import Final

from exporter.serving.messages import Answer, Request, say
from exporter.threads import run_in_thread

_REALM: Final = {"WWW-Authenticate": 'Basic realm="netstat-exporter", charset="UTF-8"'}
_ATTEMPTS: Final = 10
_SECONDS_PER_ATTEMPT: Final = 1.0
_MAX_REMEMBERED: Final = 1024
_MAX_WAITING: Final = 32
_LONGEST_PASSWORD_BYTES: Final = 72  # of bcrypt, which refuses more


class Passwords:
    """Checks passwords, and remembers the right ones."""

    def __init__(self) -> None:
        self._secret = os.urandom(32)
        self._right: dict[bytes, None] = {}
        self._blocked_until: dict[bytes, float] = {}
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def refuse(self, users: Mapping[str, bytes], request: Request) -> Answer | None:
        """Return the refusal of a request, None if it has a right password."""
        credentials = _read_credentials(request.headers.get("authorization", ""))
        if credentials is None:
            return say(401, "who are you?", _REALM, rejected="unauthorized")
        name, password = credentials
        hashed = users.get(name)
        key = self._digest(name.encode(), hashed or b"", password)
        if hashed and key in self._right:
            return None
        if not self._may_try(request.peer) or self._waiting >= _MAX_WAITING:
            return say(429, "too many attempts", {"Retry-After": "1"}, rejected="too_many_attempts")
        # A client that leaves does not cancel its check: the next one would run at the same time.
        check = asyncio.ensure_future(self._check(hashed or self._stand_in(users, name), password))
        if await asyncio.shield(check) and hashed:
            self._remember(key)
            self._forgive(request.peer)
            return None
        return say(401, "who are you?", _REALM, rejected="unauthorized")

    async def _check(self, hashed: bytes, password: bytes) -> bool:
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                return await run_in_thread(_matches, hashed, password)
        finally:
            self._waiting -= 1

    def _stand_in(self, users: Mapping[str, bytes], name: str) -> bytes:
        """Return the hash of some user, always the same for a name that is unknown."""
        hashes = sorted(users.values())
        return hashes[int.from_bytes(self._digest(name.encode())[:4], "big") % len(hashes)]

    def _digest(self, *fields: bytes) -> bytes:
        """Return a digest of these fields; each is preceded by its length, so that it is unique."""
        message = b"".join(len(field).to_bytes(8, "big") + field for field in fields)
        return hmac.new(self._secret, message, hashlib.sha256).digest()

    def _remember(self, key: bytes) -> None:
        if len(self._right) >= _MAX_REMEMBERED:
            self._right.clear()
        self._right[key] = None

    def _may_try(self, client: bytes) -> bool:
        """Count an attempt as failed, and return whether it is allowed."""
        now = time.monotonic()
        if len(self._blocked_until) >= _MAX_REMEMBERED:
            self._blocked_until = {one: at for one, at in self._blocked_until.items() if at > now}
            if len(self._blocked_until) >= _MAX_REMEMBERED:
                self._blocked_until.clear()
        until = max(now, self._blocked_until.get(client, 0)) + _SECONDS_PER_ATTEMPT
        if until > now + _ATTEMPTS * _SECONDS_PER_ATTEMPT:
            return False
        self._blocked_until[client] = until
        return True

    def _forgive(self, client: bytes) -> None:
        """Uncount one attempt, because it succeeded."""
        self._blocked_until[client] = self._blocked_until.get(client, 0) - _SECONDS_PER_ATTEMPT


def _read_credentials(header: str) -> tuple[str, bytes] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, separator, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode(), password) if separator else None
    except (binascii.Error, ValueError):
        return None


def _matches(hashed: bytes, password: bytes) -> bool:
    import bcrypt  # noqa: PLC0415 - it takes memory only if there are users

    try:
        return bcrypt.checkpw(password[:_LONGEST_PASSWORD_BYTES], hashed) and (
            len(password) <= _LONGEST_PASSWORD_BYTES
        )
    except ValueError:  # a hash that only looks like one, or a password with a NUL in it
        return False
