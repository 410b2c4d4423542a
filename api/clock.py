"""The one place that reads the clock; everything further in is handed ``now``."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """This moment, aware UTC."""
    return datetime.now(UTC)
