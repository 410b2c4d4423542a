"""What the database complained of, in words for people: the same for pages, programs and the command line."""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from models.errors import Conflict, Invalid, Unavailable, ZhidaError

BUSY = "数据库正忙或暂时不可用，请稍后重试。"
UNFIT = "提交的内容过长或含有无法保存的字符，请修改后重新提交。"
TAKEN_MEANWHILE = "刚刚有其他人保存了相同的内容（如相同的编码），您的这次操作没有保存。请刷新后核对，再试一次。"
LOST_RACES = frozenset(
    {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_FOREIGNKEY"}
    | {"23505", "23503"}  # unique_violation, foreign_key_violation (PostgreSQL manual, appendix A)
)
"""What the databases call it when somebody else was quicker: the same saved, or what it belonged to deleted."""


def in_words(error: SQLAlchemyError) -> ZhidaError | None:
    """Our own error for it; None when it is a fault of the program that nobody outside can do anything about."""
    match error:
        case OperationalError() | NoConnectionFree():  # SQLite is locked by a long write, PostgreSQL is away
            return Unavailable(BUSY)
        case DataError():  # a text that PostgreSQL cannot keep, or one longer than its column
            return Invalid(UNFIT)
        case IntegrityError() if _name_of(error) in LOST_RACES:  # two saved the same at once, this one came second
            return Conflict(TAKEN_MEANWHILE)
    return None


def reason_of(error: SQLAlchemyError) -> str:
    """The first line of the driver's own words, for who looks after the database."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(said).strip().partition("\n")[0]


def _name_of(error: IntegrityError) -> str | None:
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
