"""The list of notices and its export, for each their own part; the printed forms."""

import io
import re
from datetime import timedelta

import pytest
from openpyxl import load_workbook
from sqlalchemy.orm import Session

from api.clock import utc_now
from kb_admin import notices
from models.values import NoticeKind
from tests.api.test_notice_pages import sent, the_only
from tests.cast import Cast
from tests.conftest import DATABASES, Visit

K = NoticeKind


@pytest.mark.parametrize(
    ("who", "numbers"),
    [
        *[("editor", {1}), ("reviewer", {1}), ("leader", {1}), ("stranger", {2}), ("county_office", {3})],
        *[("office", {1, 2, 3}), ("analyst", {1, 2, 3})],
    ],
)
def test_everybody_sees_their_own_part(visit: Visit, people: Cast, base: Session, who: str, numbers: set[int]) -> None:
    three = [
        sent(base, people.unit, people.office),
        sent(base, people.other_unit, people.office),
        sent(base, people.county_unit, people.county_office),
    ]
    browser = visit(getattr(people, who))
    page = browser.get("/notices").text
    assert f'共&thinsp;<span class="number">{len(numbers)}</span>' in page
    for place, notice in enumerate(three, start=1):
        assert (f'href="/notices/{notice.id}"' in page) is (place in numbers)
        assert browser.get(f"/notices/{notice.id}").status_code == (200 if place in numbers else 404)
        assert browser.get(f"/notices/{notice.id}/print").status_code == (200 if place in numbers else 404)


@pytest.mark.parametrize("who", ["agent", "administrator"])
def test_who_has_no_part_in_notices_is_told(visit: Visit, people: Cast, base: Session, who: str) -> None:
    browser = visit(getattr(people, who))
    assert browser.get("/notices").status_code == 403
    assert browser.get("/notices/export").status_code == 403
    assert 'href="/notices"' not in browser.get("/").text


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_filters_in_the_address(visit: Visit, people: Cast, base: Session) -> None:
    fresh = sent(base, people.unit, people.office)
    late = sent(base, people.other_unit, people.office, kind=K.QUESTION, now=utc_now() - timedelta(days=20))
    office = visit(people.office)

    def shown(query: str) -> set[int]:
        return {int(found) for found in re.findall(r'href="/notices/(\d+)"', office.get(f"/notices?{query}").text)}

    assert shown("due=over") == {late.id}
    assert shown("kind=collection") == {fresh.id}
    assert shown(f"unit={people.unit.id}") == {fresh.id}
    assert shown("status=open") == {fresh.id, late.id}
    assert shown("status=dispatched") == {fresh.id}
    assert shown("status=seen") == set()
    assert shown(f"q={fresh.number}") == {fresh.id}
    assert shown("q=%25") == set()
    assert shown("kind=nonsense") == {fresh.id, late.id}


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_the_soonest_stands_first_whatever_was_sent_first(visit: Visit, people: Cast, base: Session) -> None:
    sent(base, people.unit, people.office)
    late = sent(base, people.unit, people.office, now=utc_now() - timedelta(days=20))
    draft = notices.open_notice(
        base, kind=K.COLLECTION, unit=people.unit, title="草稿", actor=people.office, now=utc_now()
    )
    base.commit()
    order = [int(found) for found in re.findall(r'href="/notices/(\d+)"', visit(people.office).get("/notices").text)]
    assert (order[0], order[-1]) == (late.id, draft.id)


def test_the_export_holds_what_the_list_shows(visit: Visit, people: Cast, base: Session) -> None:
    ours = sent(base, people.unit, people.office)
    sent(base, people.other_unit, people.office)
    reply = visit(people.editor).get("/notices/export")
    assert reply.status_code == 200
    rows = list(load_workbook(io.BytesIO(reply.content)).active.iter_rows(values_only=True))
    assert rows[0][:4] == ("编号", "类型", "事项", "承办单位")
    assert [row[0] for row in rows[1:]] == [ours.number]


# The printed form


def test_the_supervision_notice_has_the_boxes_of_the_annex(visit: Visit, people: Cast, base: Session) -> None:
    notice = sent(base, people.unit, people.office, kind=K.SUPERVISION)
    page = visit(people.office).get(f"/notices/{notice.id}/print").text
    labels = re.findall(r'<th scope="row">([^<]*)</th>', page)
    # 历城 annex 3
    assert [re.sub(r"\s", "", label) for label in labels] == [
        *("编号", "督办时限", "下达时间", "承办单位", "督办内容", "办理结果", "承办单位负责人签字（盖章）")
    ]
    assert f"（{people.unit.name}）部门督办通知" in page
    assert re.search(r"<td>督（20\d\d）1号</td>", page)
    assert "<td>3 天</td>" in page


@pytest.mark.parametrize("kind", [K.COLLECTION, K.QUESTION])
def test_only_what_has_a_form_is_printed(visit: Visit, people: Cast, base: Session, kind: NoticeKind) -> None:
    notice = sent(base, people.unit, people.office, kind=kind)
    expected = 200 if kind is K.COLLECTION else 404
    assert visit(people.office).get(f"/notices/{notice.id}/print").status_code == expected


def test_what_people_wrote_is_shown_as_text(visit: Visit, people: Cast, base: Session) -> None:
    data = {
        "kind": "collection",
        "unit": str(people.unit.id),
        "title": "<b>粗</b>",
        "content": "<script>",
        "send": "true",
    }
    visit(people.office).post("/notices/new", data=data)
    notice = the_only(base)
    for path in ("/notices", f"/notices/{notice.id}", f"/notices/{notice.id}/print"):
        page = visit(people.office).get(path).text
        assert "<b>粗</b>" not in page
        assert "<script>" not in page.split("<main", 1)[1]
