"""Entries, their versions and all that a version carries; the history of moves; the change log."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Identity, choice
from models.organisation import Person, Region, Unit
from models.rules import RulebookText
from models.values import BasisContent, EntryContent, Origin, PhrasingKind, Publicity, VersionStatus


class Category(Base):
    """架构类别: a place in one unit's tree (清远 art. 4(2)), named by its whole path."""

    __tablename__ = "categories"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    path: Mapped[str] = mapped_column(String(256))
    active: Mapped[bool] = mapped_column(default=True, server_default=true())
    """Whether new versions may still be put there."""

    __table_args__ = (UniqueConstraint("unit_id", "path"),)


class Entry(Base):
    """知识条目: what stays the same while its versions change."""

    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"), index=True)
    created_at: Mapped[datetime]
    origin: Mapped[Origin] = mapped_column(choice(Origin), default=Origin.UNIT, server_default=Origin.UNIT.value)
    released_at: Mapped[datetime | None]
    """When the office let it go to sites and media (清远 art. 4(3)1(4)); null: it has not."""
    taken_back_at: Mapped[datetime | None]
    """When the office took it back from there: nothing lets it go by itself again; null: it has not."""

    unit: Mapped[Unit] = relationship(lazy="joined", innerjoin=True)
    versions: Mapped[list["Version"]] = relationship(back_populates="entry", order_by="Version.number")

    __table_args__ = (CheckConstraint("code <> ''", name="code_not_empty"),)


class CodeNumbers(Base):
    """How far the codes that the system gives (ZD-000001) have come. One row, made by the migration.

    Whoever adds entries writes this row first, so that they take turns and no number is given twice.
    """

    __tablename__ = "code_numbers"

    id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=False)
    last: Mapped[int] = mapped_column(Identity)
    """The highest number in use."""
    given: Mapped[bool]
    """Whether this base has given one itself; until then it takes over those of another base's export."""

    __table_args__ = (
        CheckConstraint("id = 1", name="only_row"),
        CheckConstraint("last >= 0", name="counts_from_zero"),
    )


class Version(Base):
    """One wording of an entry. Its content never changes after submission; a change is a new version."""

    __tablename__ = "versions"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id", ondelete="CASCADE"))
    number: Mapped[int]
    status: Mapped[VersionStatus] = mapped_column(choice(VersionStatus), index=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"))
    category_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"), index=True)
    spoken: Mapped[str] = mapped_column(Text, default="")
    answer: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    publicity: Mapped[Publicity] = mapped_column(choice(Publicity))
    info_type: Mapped[str] = mapped_column(String(32), default="")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    submitted_at: Mapped[datetime | None]
    route: Mapped[str] = mapped_column(String(32), default="", server_default="")
    """Name of the route that it took when it was submitted; empty before, and for what came by another way."""
    rulebook_id: Mapped[int | None] = mapped_column(ForeignKey("rulebook_texts.id"))
    """The rulebook in force when it was submitted: it ends under the rule under which it began."""
    gates_passed: Mapped[int] = mapped_column(default=0, server_default="0")
    emergency: Mapped[bool] = mapped_column(default=False, server_default=false())
    takes_effect_at: Mapped[datetime | None]
    """Publication is decided for then, while an older version is live; null otherwise."""

    rulebook: Mapped[RulebookText | None] = relationship()
    entry: Mapped[Entry] = relationship(back_populates="versions")
    region: Mapped[Region] = relationship(lazy="joined", innerjoin=True)
    category: Mapped[Category | None] = relationship(lazy="joined")
    created_by: Mapped[Person | None] = relationship()
    phrasings: Mapped[list["Phrasing"]] = relationship(
        lazy="selectin", order_by="Phrasing.position", cascade="all, delete-orphan"
    )
    keywords: Mapped[list["Keyword"]] = relationship(
        lazy="selectin", order_by="Keyword.position", cascade="all, delete-orphan"
    )
    bases: Mapped[list["Basis"]] = relationship(
        lazy="selectin", order_by="Basis.position", cascade="all, delete-orphan"
    )
    transitions: Mapped[list["Transition"]] = relationship(order_by="Transition.id", back_populates="version")

    __table_args__ = (
        UniqueConstraint("entry_id", "number"),
        CheckConstraint("number >= 1", name="numbered_from_one"),
        CheckConstraint("valid_to IS NULL OR valid_from IS NULL OR valid_from < valid_to", name="validity_in_order"),
        CheckConstraint("status <> 'published' OR published_at IS NOT NULL", name="published_has_a_moment"),
        Index(
            "ix_versions_one_live",
            "entry_id",
            unique=True,
            sqlite_where=text("status = 'published'"),
            postgresql_where=text("status = 'published'"),
        ),
        Index(
            "ix_versions_expiring",
            "valid_to",
            sqlite_where=text("status = 'published'"),
            postgresql_where=text("status = 'published'"),
        ),
        Index(
            "ix_versions_takes_effect_at",
            "takes_effect_at",
            sqlite_where=text("takes_effect_at IS NOT NULL"),
            postgresql_where=text("takes_effect_at IS NOT NULL"),
        ),
        Index(
            "ix_versions_emergency",
            "status",
            sqlite_where=text("emergency = 1"),
            postgresql_where=text("emergency"),
        ),
    )

    @property
    def question(self) -> str:
        """标准问."""
        return next(p.text for p in self.phrasings if p.kind is PhrasingKind.STANDARD)

    @property
    def similar(self) -> tuple[str, ...]:
        """相似问法, in the editor's order."""
        return tuple(p.text for p in self.phrasings if p.kind is PhrasingKind.SIMILAR)

    def content(self) -> EntryContent:
        """What this version says, as a value that can be compared and exported."""
        return EntryContent(
            question=self.question,
            answer=self.answer,
            unit=self.entry.unit.name,
            region=self.region.name,
            similar=self.similar,
            spoken=self.spoken,
            keywords=tuple(k.text for k in self.keywords),
            category=self.category.path if self.category else "",
            bases=tuple(BasisContent(b.document, b.number, b.attachment_count) for b in self.bases),
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            publicity=self.publicity,
            info_type=self.info_type,
        )


class Phrasing(Base):
    """标准问 or 相似问: one way a caller asks."""

    __tablename__ = "phrasings"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"))
    kind: Mapped[PhrasingKind] = mapped_column(choice(PhrasingKind))
    position: Mapped[int]
    text: Mapped[str] = mapped_column(String(500))

    __table_args__ = (
        UniqueConstraint("version_id", "position"),
        CheckConstraint("(position = 0) = (kind = 'standard')", name="standard_question_comes_first"),
        CheckConstraint("text <> ''", name="not_empty"),
        Index("ix_phrasings_text", "text"),
    )


class Keyword(Base):
    __tablename__ = "keywords"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"))
    position: Mapped[int]
    text: Mapped[str] = mapped_column(String(64))

    __table_args__ = (UniqueConstraint("version_id", "text"),)


class Basis(Base):
    """依据: document name, number and how many attachments it has (济源 art. 8(4))."""

    __tablename__ = "bases"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"))
    position: Mapped[int]
    document: Mapped[str] = mapped_column(String(256))
    number: Mapped[str] = mapped_column(String(128), default="")
    attachment_count: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        UniqueConstraint("version_id", "position"),
        CheckConstraint("document <> ''", name="document_named"),
        CheckConstraint("attachment_count >= 0", name="attachments_counted"),
    )


class Attachment(Base):
    """A file that belongs to a version: a picture in its answer, a form. Its bytes lie beside the database."""

    __tablename__ = "attachments"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"))
    filename: Mapped[str] = mapped_column(String(256))
    media_type: Mapped[str] = mapped_column(String(128))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int]

    __table_args__ = (
        UniqueConstraint("version_id", "filename"),
        CheckConstraint("length(sha256) = 64", name="sha256_complete"),
        CheckConstraint("size_bytes >= 0", name="size_counted"),
    )


class Transition(Base):
    """One move of a version: history and, later, outbox at once. Never changed, never deleted."""

    __tablename__ = "transitions"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), index=True)
    from_status: Mapped[VersionStatus | None] = mapped_column(choice(VersionStatus, "from_status"))
    to_status: Mapped[VersionStatus] = mapped_column(choice(VersionStatus, "to_status"))
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    """Null: the system itself."""
    at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text, default="")
    step: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """What was done, in the words of the route: 单位审核通过, 退回."""
    rule: Mapped[str] = mapped_column(String(256), default="", server_default="")
    """Under which article, as people read it."""
    ticked: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Names of the checklist items that were ticked, joined by "、"."""

    version: Mapped[Version] = relationship(back_populates="transitions")
    actor: Mapped[Person | None] = relationship()


class ChangeLog(Base):
    """One row for each change of what is searchable; followers read it in order of ``seq``."""

    __tablename__ = "change_log"

    seq: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    entry_id: Mapped[int | None] = mapped_column(Identity)
    """Null: the thesaurus. No foreign key: the row outlives a deleted entry."""
    at: Mapped[datetime]

    __table_args__ = ({"sqlite_autoincrement": True},)
