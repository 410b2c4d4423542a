"""What anybody may read without login: released entries, and nothing else."""

import hashlib
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient
from typer.testing import CliRunner

from api.cli import app
from api.clock import utc_now
from api.wiring import Services
from kb_admin import releasing
from models.knowledge import Attachment, Version
from models.values import Publicity
from tests.cast import DAY, INTERNAL_CONTACT, LOST_CARD, RESIDENCE_PERMIT, Cast, published
from tests.conftest import DATABASES, Visit

FEED = "/api/v1/public/feed.json"
PICTURE = b"\x89PNG"
DIGEST = hashlib.sha256(PICTURE).hexdigest()


def released(base: Session, version: Version, cast: Cast) -> Version:
    releasing.release(base, version.entry, actor=cast.office, now=utc_now())
    base.commit()
    return version


@pytest.fixture
def card(services: Services, base: Session, people: Cast) -> Version:
    """A released entry with a picture; beside it one not released, and one internal."""
    answer = LOST_CARD.answer + "\n\n![样式](attachment:card.png)\n\n<script>alert(1)</script>"
    version = published(base, replace(LOST_CARD, answer=answer), code="A/1")
    base.add(
        Attachment(version_id=version.id, filename="card.png", media_type="image/png", sha256=DIGEST, size_bytes=4)
    )
    services.settings.attachments_folder.mkdir(parents=True, exist_ok=True)
    (services.settings.attachments_folder / DIGEST).write_bytes(PICTURE)
    published(base, RESIDENCE_PERMIT, code="B-1")
    published(base, INTERNAL_CONTACT, code="C-1")
    return released(base, version, people)


def feed(browser: TestClient, **wanted: str) -> dict[str, object]:
    reply = browser.get(FEED, params=wanted)
    assert reply.status_code == 200
    told: dict[str, object] = reply.json()
    return told


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_the_feed_is_a_json_feed_of_what_is_released(visit: Visit) -> None:
    browser = visit(None)
    reply = browser.get(FEED)
    assert reply.headers["content-type"] == "application/feed+json"
    told = reply.json()
    assert told["version"] == "https://jsonfeed.org/version/1.1"
    (item,) = told["items"]
    assert (item["id"], item["url"], item["title"]) == ("A/1", "/public/entries/A%2F1", LOST_CARD.question)
    assert f"/public/files/{DIGEST}" in item["content_html"]
    assert "<script" not in item["content_html"]
    assert LOST_CARD.spoken not in reply.text
    assert item["_zhida"]["category"] == "社会保险/社会保障卡"
    assert browser.get("/api/v1/public/codes").json() == {"codes": ["A/1"]}


@pytest.mark.usefixtures("card")
def test_pages_need_no_login_and_have_no_scripts(visit: Visit, people: Cast) -> None:
    browser = visit(None)
    for address, words in (
        ("/public", LOST_CARD.unit),
        (f"/public/units/{people.unit.id}", LOST_CARD.question),
        ("/public/entries/A%2F1", "工本费 16 元"),
    ):
        reply = browser.get(address)
        assert reply.status_code == 200
        assert words in reply.text
        assert "<script" not in reply.text
        assert reply.headers["content-security-policy"]
        assert reply.headers["cache-control"] == "no-cache"
        for hidden in (RESIDENCE_PERMIT.question, INTERNAL_CONTACT.question, people.other_unit.name):
            assert hidden not in reply.text
    assert browser.get(f"/public/files/{DIGEST}").content == PICTURE


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize("code", ["B-1", "C-1", "no-such"])
def test_what_is_not_released_does_not_exist(code: str, visit: Visit, people: Cast) -> None:
    browser = visit(None)
    reply = browser.get(f"/public/entries/{code}")
    assert reply.status_code == 404
    assert "没有这条信息，或它没有对外发布。" in reply.text
    assert browser.get(f"/public/units/{people.other_unit.id}").status_code == 404
    assert browser.get("/public/units/999").status_code == 404
    assert browser.get(f"/public/files/{'0' * 64}").status_code == 404


def test_taken_back_withdrawn_or_turned_internal_it_is_gone_at_once(
    card: Version, visit: Visit, base: Session, people: Cast
) -> None:
    browser = visit(None)
    known = browser.get(FEED).headers["etag"]
    assert browser.get(FEED, headers={"If-None-Match": known}).status_code == 304
    releasing.take_back(base, card.entry, actor=people.office, now=utc_now())
    base.commit()
    assert browser.get(FEED, headers={"If-None-Match": known}).json()["items"] == []
    assert browser.get("/public/entries/A%2F1").status_code == 404
    assert browser.get(f"/public/files/{DIGEST}").status_code == 404
    assert "没有对外发布的信息" in browser.get("/public").text
    releasing.release(base, card.entry, actor=people.office, now=utc_now())
    card.publicity = Publicity.INTERNAL
    base.commit()
    assert browser.get(FEED).json()["items"] == []
    assert browser.get(f"/public/files/{DIGEST}").status_code == 404


def test_the_feed_is_paged_and_tells_since(visit: Visit, base: Session, people: Cast) -> None:
    for n in range(51):
        version = published(base, replace(LOST_CARD, question=f"问题 {n}"), code=f"N-{n:03}")
        version.entry.released_at = utc_now() - 5 * DAY
    version.entry.released_at = utc_now()
    version.published_at = utc_now() - DAY
    base.commit()
    browser = visit(None)
    first = feed(browser)
    assert (len(first["items"]), first["_zhida"]) == (50, {"count": 51, "page": 1})  # type: ignore[arg-type]
    second = browser.get(str(first["next_url"])).json()
    assert len(second["items"]) == 1
    assert "next_url" not in second
    since = (utc_now() - timedelta(hours=1)).isoformat()
    assert [item["id"] for item in feed(browser, since=since)["items"]] == ["N-050"]  # type: ignore[attr-defined]
    assert browser.get(FEED, params={"since": "gestern"}).status_code == 422


def test_an_empty_base_has_an_empty_feed(visit: Visit, people: Cast) -> None:
    assert feed(visit(None))["items"] == []


@pytest.fixture
def command(services: Services, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("ZHIDA_DATA_FOLDER", str(services.settings.data_folder))
    monkeypatch.setenv("ZHIDA_DATABASE_URL", services.settings.database_url)
    return CliRunner()


@pytest.mark.usefixtures("card")
def test_the_exported_folder_works_by_itself(command: CliRunner, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    for _ in range(2):  # the second time it is written anew
        result = command.invoke(app, ["public", "export", str(folder)], catch_exceptions=False)
        assert "已写出 1 条" in result.output
    pages = sorted(folder.rglob("*.html"))
    assert [page.parent.name for page in pages] == ["entries", "site", "units"]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<script" not in text
        for address in _addresses(text):
            assert not address.startswith("/")
            assert (page.parent / address).resolve().is_file(), address
    (picture,) = (folder / "files").iterdir()
    assert (picture.name, picture.read_bytes()) == (f"{DIGEST}.png", PICTURE)


def test_a_folder_with_something_else_is_left_alone(command: CliRunner, people: Cast, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = command.invoke(app, ["public", "export", str(tmp_path)])
    assert "不会覆盖" in str(result.exception)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.usefixtures("card")
def test_a_unit_of_a_number_that_no_unit_can_have_is_refused_in_words(visit: Visit) -> None:
    assert visit(None).get(f"/public/units/{10**25}").status_code == 422


@pytest.mark.usefixtures("card")
def test_the_log_is_verified_and_shown_at_the_terminal(command: CliRunner) -> None:
    verified = command.invoke(app, ["audit", "verify"], catch_exceptions=False)
    assert "审计日志完整" in verified.output
    known = verified.output.rsplit("：", 1)[1].strip()
    assert command.invoke(app, ["audit", "verify", "--known", known]).exit_code == 0
    seq, seal = known.split(":")
    other = command.invoke(app, ["audit", "verify", "--known", f"{seq}:{'0' * len(seal)}"])
    assert "与当时记下的不同" in str(other.exception)
    shown = command.invoke(app, ["audit", "show", "--subject", "entry:A/1", "--login", "rexianban"])
    assert "entry.release" in shown.output
    assert "不是日期" in str(command.invoke(app, ["audit", "show", "--day", "昨天"]).exception)


def _addresses(html: str) -> list[str]:
    return re.findall(r'(?:href|src)="([^"]+)"', html)
