"""The table of how fast due times are counted."""

from benchmarks.working_time import LIMITS, run


def test_each_limit_has_a_row() -> None:
    assert len(run(1000, 1).splitlines()) == 2 + len(LIMITS) + 1
