"""One decision everywhere: random cities, and every way on which an entry reaches somebody."""

import json
from datetime import timedelta

import pytest

from api import entry_list, security
from benchmarks import rights
from kb_admin import visibility
from models.values import Viewer

EVERY_WAY = {
    *("判断", "版本页", "列表", "计数", "检索列", "检索", "提示", "改错", "接口计数", "接口列表", "列表页", "条目"),
    *("404 文字", "接口经过", "提问", "输入提示", "导出", "公开数据", "公开网页", "未登录"),
}


def test_nothing_leaks_and_nothing_is_held_back_over_random_cities() -> None:
    report = rights.run(4, 2026, lambda _line: None)
    assert report.examples == []
    assert set(report.decisions) == EVERY_WAY
    summary = json.loads(rights.told(report).splitlines()[-1])
    assert (summary["worlds"], summary["leaks_total"], summary["held_back_total"]) == (4, 0, 0)
    assert summary["decisions_total"] == sum(report.decisions.values()) > 20_000


def test_a_viewer_that_sees_too_much_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "viewer_of", lambda *_: Viewer(everything=True))
    leaks = rights.run(1, 2026, lambda _line: None).leaks
    assert {"列表", "计数", "检索列", "检索", "提示", "版本页"} <= set(leaks)


def test_a_share_that_ends_late_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = security.shared_unit_ids
    monkeypatch.setattr(security, "shared_unit_ids", lambda s, ids, now: shared(s, ids, now - timedelta(seconds=1)))
    assert sum(rights.run(1, 3, lambda _line: None).leaks.values()) > 0


def test_a_list_that_forgets_validity_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    answering = visibility.answering
    late = timedelta(days=2)
    monkeypatch.setattr(entry_list, "answering", lambda viewer, version, now: answering(viewer, version, now - late))
    report = rights.run(1, 2026, lambda _line: None)
    assert report.leaks["列表"] + report.held_back["列表"] > 0
