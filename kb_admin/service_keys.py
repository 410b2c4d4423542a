"""Secrets that all processes of the service share, each made when it is first needed and kept in the base."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.upserts import insert_into
from models.errors import Invalid
from models.incoming import ServiceKey

KEY_BYTES = 32
CALLERS = "callers"
"""What hides callers' numbers. With another key no caller is known again."""
LONGEST_NUMBER = 64
"""Characters, of whatever a call platform writes for a caller's number."""
MOBILE = re.compile(r"0?(1\d{10})")
"""Eleven digits; some exchanges put a 0 before numbers of another place."""


def key(session: Session, name: str, *, now: datetime) -> bytes:
    """The secret of that name, the same for everybody who asks."""
    value = session.scalar(select(ServiceKey.value).where(ServiceKey.name == name))
    if value is None:
        made = {"name": name, "value": secrets.token_hex(KEY_BYTES), "created_at": now}
        session.execute(insert_into(session, ServiceKey).values(**made).on_conflict_do_nothing())
        value = session.scalars(select(ServiceKey.value).where(ServiceKey.name == name)).one()
    return bytes.fromhex(value)


def caller_key(session: Session, number: str, *, now: datetime) -> str:
    """Who calls, without the number: the same 64 characters whenever the same number calls; empty for none.

    Raises Invalid, without repeating it, for what is far too long to be a number.
    """
    if len(number) > LONGEST_NUMBER:
        raise Invalid(f"来电号码最多 {LONGEST_NUMBER} 个字符。")
    digits = _plain(number)
    return hmac.new(key(session, CALLERS, now=now), digits.encode(), hashlib.sha256).hexdigest() if digits else ""


def _plain(number: str) -> str:
    """The digits alone, without 86 for China, and a mobile's without the trunk 0: one caller has one spelling."""
    digits = "".join(str(int(c)) for c in number if c.isdecimal())
    abroad = number.strip().startswith(("+", "＋", "00"))
    national = digits.removeprefix("00").removeprefix("86") if abroad else digits
    if len(national) == 13 and national.startswith("861"):
        national = national.removeprefix("86")
    mobile = MOBILE.fullmatch(national)
    return mobile[1] if mobile else national
