"""What a request may bring: forms in UTF-8, files where files are taken, numbers and words that a column can hold."""

import os

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api import uploads
from api.wiring import Services
from models.usage import Gap
from tests.cast import LOST_CARD, PASSWORD, Cast, published
from tests.conftest import DATABASES, Visit

ON_BOTH = pytest.mark.parametrize("services", DATABASES, indirect=True)
FORM = "application/x-www-form-urlencoded"
BOUNDARY = "----zhida"


def multipart(**fields: bytes) -> bytes:
    """Parts without a file name: plain fields."""
    parts = (
        b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (BOUNDARY.encode(), name.encode(), value)
        for name, value in fields.items()
    )
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize("path", ["/login", "/gap", "/judge", "/import", "/api/v1/import", "/import/x/apply"])
@pytest.mark.parametrize("charset", ["punycode", "unicode_escape", "utf-7", "latin-1", '"idna"', "utf-16", "none-such"])
def test_a_form_in_another_encoding_is_refused_before_anybody_decodes_it(
    path: str, charset: str, visit: Visit, people: Cast
) -> None:
    content_type = f"multipart/form-data; charset={charset}; boundary={BOUNDARY}"
    body = multipart(login=b"-" + b"a" * 300_000, text=b"\\ud800", password=b"x")
    assert visit(people.office).post(path, content=body, headers={"Content-Type": content_type}).status_code == 415


def test_an_urlencoded_form_in_another_encoding_is_refused(visit: Visit, people: Cast, base: Session) -> None:
    for charset, status in (("gb18030", 415), ("UTF-8", 303), ('"utf8"', 303)):
        reply = visit(people.agent).post(
            "/gap", content="text=123", headers={"Content-Type": f"{FORM}; charset={charset}"}
        )
        assert reply.status_code == status
    assert len(base.scalars(select(Gap)).all()) == 2


def test_only_the_import_takes_multipart(visit: Visit, people: Cast) -> None:
    fields = {"login": (None, "zuoxi"), "password": (None, PASSWORD)}
    reply = visit(None).post("/login", files=fields)
    assert reply.status_code == 415
    assert "不支持的格式" in reply.text
    reply = visit(people.agent).post("/api/v1/search", files={"query": (None, "社保卡")})
    assert (reply.status_code, reply.json()["error"]["code"]) == (415, "unsupported_media_type")
    named = {"Content-Type": f"multipart/form-data; charset=utf-8; boundary={BOUNDARY}"}
    assert visit(people.office).post("/import", content=multipart(file=b"x"), headers=named).status_code == 422


def test_what_starlette_does_with_charsets_of_parts_is_still_nothing(visit: Visit, people: Cast) -> None:
    part = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\nunicode_escape\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="unit"\r\n'
        f"Content-Type: text/plain; charset=unicode_escape\r\n\r\n\\ud800\r\n"
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nx\r\n'
        f"--{BOUNDARY}--\r\n"
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    reply = visit(people.office).post("/api/v1/import", content=part.encode(), headers=headers)
    assert reply.status_code in (200, 422)


def test_a_large_body_is_taken_where_files_are_and_nowhere_that_ends_alike(
    visit: Visit, people: Cast, base: Session
) -> None:
    published(base, LOST_CARD, code="SB-001")
    office, body = visit(people.office), f"reason={'x' * 1_100_000}"
    reply = office.post("/entries/SB-001/versions/1/import", content=body, headers={"Content-Type": FORM})
    assert reply.status_code == 413
    assert office.post("/import", files={"file": ("a.csv", b"x" * 1_100_000)}).status_code == 303


# Numbers and words


@ON_BOTH
@pytest.mark.parametrize(
    "query",
    [
        "unit=99999999999999999999",
        "unit=9223372036854775808",
        "unit=0",
        "unit=-1",
        "unit=" + "9" * 5000,
        "unit=x",
        "category=" + "x" * 60_000,
        "sort=" + "x" * 60_000,
        "status=" + "x" * 60_000,
        "due=" + "x" * 60_000,
        "page=" + "9" * 25,
    ],
)
def test_a_filter_that_no_column_can_hold_is_refused(query: str, visit: Visit, people: Cast) -> None:
    assert visit(people.agent).get(f"/entries?{query}").status_code == 422


@ON_BOTH
def test_filters_left_empty_or_unknown_filter_nothing(visit: Visit, people: Cast, base: Session) -> None:
    published(base, LOST_CARD, code="SB-001")
    browser = visit(people.agent)
    for query in ("unit=&category=&status=&due=&sort=", "status=none-such&due=never&sort=age", f"unit={2**63 - 1}"):
        reply = browser.get(f"/entries?q=&{query}")
        assert reply.status_code == 200
        assert ("SB-001" in reply.text) is ("unit=9" not in query)


@ON_BOTH
@pytest.mark.parametrize("number", ["9" * 25, str(2**63), "0", "-1", "x"])
def test_an_impossible_number_in_a_form_is_refused(number: str, visit: Visit, people: Cast) -> None:
    browser = visit(people.agent)
    judged = {"question_id": "1", "version_id": "1", "judgement": "correct"}
    assert browser.post("/judge", data=judged | {"question_id": number}).status_code == 422
    assert browser.post("/judge", data=judged | {"version_id": number}).status_code == 422
    assert browser.post("/gap", data={"text": "停机坪", "question_id": number}).status_code == 422


# Files that wait


def test_of_the_files_that_one_person_leaves_waiting_the_oldest_goes(
    visit: Visit, people: Cast, services: Services
) -> None:
    office, editor = visit(people.office), visit(people.editor)
    folder = services.settings.uploads_folder
    other = _upload(editor)
    report = uploads.keep(folder, b"x", "a.xlsx", people.office.id, figures={"new": 1})
    trials = []
    for age in range(5):
        trials.append(_upload(office))
        for file in folder.glob(f"{trials[-1].removeprefix('/import/')}.*"):
            os.utime(file, (1_800_000_000 + age, 1_800_000_000 + age))
    assert [office.get(trial).status_code == 404 for trial in trials] == [True, True, False, False, False]
    assert editor.get(other).status_code != 404
    assert uploads.find(folder, report, people.office.id).figures == {"new": 1}
    assert len(list(folder.iterdir())) == 2 * (uploads.MOST_KEPT + 2)


def _upload(browser: TestClient) -> str:
    content = f"标准问,答案,责任单位\n问,答,{LOST_CARD.unit}\n".encode()
    return str(browser.post("/import", files={"file": ("知识.csv", content)}).headers["location"])


# What leaves


def test_a_page_about_an_unforeseen_error_is_kept_by_no_cache(application: FastAPI) -> None:
    def broken() -> None:
        raise RuntimeError("内部细节")

    application.add_api_route("/broken", broken)
    reply = TestClient(application, raise_server_exceptions=False).get("/broken")
    assert (reply.status_code, reply.headers["cache-control"]) == (500, "no-store")


@pytest.mark.parametrize(
    ("who", "unknown", "foreign"), [("agent", 403, 403), ("editor", 403, 403), ("office", 404, 200)]
)
def test_who_may_not_export_a_unit_does_not_learn_whether_it_exists(
    who: str, unknown: int, foreign: int, visit: Visit, people: Cast
) -> None:
    browser = visit(getattr(people, who))
    replies = [browser.get("/api/v1/export", params={"unit": name}) for name in ("没有的局", people.other_unit.name)]
    assert [reply.status_code for reply in replies] == [unknown, foreign]
    if unknown == foreign:
        assert replies[0].json() == replies[1].json()


def test_an_editor_exports_the_own_unit_by_name(visit: Visit, people: Cast, base: Session) -> None:
    published(base, LOST_CARD, code="SB-001")
    reply = visit(people.editor).get("/api/v1/export", params={"unit": people.unit.name, "format": "jsonl"})
    assert "SB-001" in reply.text
