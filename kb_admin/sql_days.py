"""Local days and spans of time in SQL, which SQLite and PostgreSQL write differently."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Integer, String, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from models.base import Moment


class local_day(FunctionElement[str]):  # noqa: N801 - a function of SQL
    """The day in China of a moment, "2026-11-20"."""

    type = String()
    inherit_cache = True


class later(FunctionElement[Any]):  # noqa: N801 - a function of SQL
    """The moment so long after a moment, in whole hours."""

    type = Moment()
    inherit_cache = True

    def __init__(self, moment: Any, span: timedelta) -> None:
        super().__init__(moment, literal(span // timedelta(hours=1), Integer))


@compiles(local_day, "sqlite")
def _day_in_sqlite(element: local_day, compiler: SQLCompiler, **options: Any) -> str:
    """Cut to the second: SQLite rounds what it reads to milliseconds, and so the last microsecond into the next day."""
    return f"date(substr({compiler.process(element.clauses, **options)}, 1, 19), '+8 hours')"


@compiles(local_day, "postgresql")
def _day_in_postgresql(element: local_day, compiler: SQLCompiler, **options: Any) -> str:
    return f"to_char({compiler.process(element.clauses, **options)} AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD')"


@compiles(later, "sqlite")
def _after_in_sqlite(element: later, compiler: SQLCompiler, **options: Any) -> str:
    """Moments are texts there, to the microsecond: what follows the second is kept as it stands."""
    moment, hours = (compiler.process(part, **options) for part in element.clauses)
    whole = f"substr({moment}, 1, 19)"
    return f"(strftime('%Y-%m-%d %H:%M:%S', {whole}, {hours} || ' hours') || substr({moment}, 20))"


@compiles(later, "postgresql")
def _after_in_postgresql(element: later, compiler: SQLCompiler, **options: Any) -> str:
    moment, hours = (compiler.process(part, **options) for part in element.clauses)
    return f"({moment} + make_interval(hours => {hours}))"
