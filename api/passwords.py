"""Passwords as Argon2 keeps them, and how much of its work this process does at once."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from models.errors import Invalid, Unavailable

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 256
"""Characters. Argon2 takes more, but hashing a megabyte is a way to stop a server."""
AT_ONCE = 2
"""One piece of Argon2's work takes 64 MiB and a processor."""
WAITING = 8
"""Logins under way, those at work included. The others are sent away: each would hold a thread that pages need."""

_hasher = PasswordHasher()
_at_work = BoundedSemaphore(AT_ONCE)
_under_way = BoundedSemaphore(WAITING)


@contextmanager
def turn() -> Iterator[None]:
    """A place among the logins under way. Raises Unavailable when there is none."""
    if not _under_way.acquire(blocking=False):
        raise Unavailable("此刻登录的人较多，请稍等几秒再试。")
    try:
        yield
    finally:
        _under_way.release()


def hash_password(password: str) -> str:
    """Argon2id. Raises Invalid for a password that is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Invalid(f"密码应为 {SHORTEST_PASSWORD} 至 {LONGEST_PASSWORD} 个字符。")
    with _at_work:
        return _hasher.hash(password)


def password_fits(password_hash: str | None, password: str) -> bool:
    """Whether it is the password. Without a hash, for somebody who does not exist, the answer takes as long."""
    try:
        with _at_work:
            return _hasher.verify(_hash_of_nobody() if password_hash is None else password_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with less work than is usual by now."""
    return _hasher.check_needs_rehash(password_hash)


@cache
def _hash_of_nobody() -> str:
    return _hasher.hash(secrets.token_urlsafe())
