"""The office's thesaurus (同义词库): groups of words for the same thing, every wording of a group kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from models.base import Base, Identity
from models.organisation import Person
from models.values import Choice

LONGEST_WORD = 30
LONGEST_FIELD = 30
LONGEST_NOTE = 500


@dataclass(frozen=True)
class GroupSaying:
    """说法: another word for the head of a group."""

    word: str
    weight: float = 1.0
    """Above 0, up to 1: how probably it means the head."""
    both_ways: bool = True
    """False: whoever says it may mean the head, but who says the head does not mean it."""


@dataclass(frozen=True)
class WordGroup:
    """All that one group says. Equal groups mean that nothing changed."""

    head: str
    """主词: the word of documents."""
    sayings: tuple[GroupSaying, ...]
    field: str = ""
    """领域: 民政, 社会保险 …; for finding, it has no effect on search."""
    note: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """Head first."""
        return (self.head, *(saying.word for saying in self.sayings))


class GroupField(Choice):
    """The parts of a group as files name them."""

    HEAD = "head", "主词"
    SAYING = "saying", "说法"
    WAY = "way", "方向"
    WEIGHT = "weight", "权重"
    FIELD = "field", "领域"
    NOTE = "note", "备注"


@dataclass(frozen=True)
class SayingRow:
    """One row of a file of groups: a head and one of its sayings."""

    sheet: str
    row: int
    head: str
    saying: GroupSaying
    field: str = ""
    note: str = ""
    given: frozenset[GroupField] = frozenset(GroupField)
    """The columns that its sheet has. What it has no column for stays as it is in the thesaurus."""


class GroupVersion(Base):
    """One wording of a group. Never changed, never deleted: the newest of a head holds."""

    __tablename__ = "thesaurus_versions"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    head: Mapped[str] = mapped_column(String(LONGEST_WORD))
    number: Mapped[int]
    """From 1 for each head; what comes with the product counts as 0."""
    sayings: Mapped[list[dict[str, object]]] = mapped_column(JSON)
    """``word``, ``weight`` and ``both_ways`` of each."""
    field: Mapped[str] = mapped_column(String(LONGEST_FIELD), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    removed: Mapped[bool] = mapped_column(default=False)
    """停用: the group holds no longer, not even as it comes with the product."""
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime]

    created_by: Mapped[Person | None] = relationship()

    __table_args__ = (
        UniqueConstraint("head", "number"),
        CheckConstraint("head <> ''", name="head_not_empty"),
        CheckConstraint("number >= 1", name="numbered_from_one"),
    )

    def group(self) -> WordGroup:
        """What this version says, as a value that can be compared."""
        return WordGroup(self.head, tuple(map(_saying, self.sayings)), self.field, self.note)


def stored(sayings: Iterable[GroupSaying]) -> list[dict[str, object]]:
    """Sayings as ``GroupVersion.sayings`` keeps them."""
    return [{"word": s.word, "weight": s.weight, "both_ways": s.both_ways} for s in sayings]


def newest_versions(session: Session, *, until: datetime | None = None) -> dict[str, GroupVersion]:
    """By head, the version that holds, removed ones included; heads in the order of their last change.

    ``until``: those that held at that moment.
    """
    newest = select(func.max(GroupVersion.id)).group_by(GroupVersion.head)
    if until is not None:
        newest = newest.where(GroupVersion.created_at <= until)
    versions = session.scalars(select(GroupVersion).where(GroupVersion.id.in_(newest)).order_by(GroupVersion.id))
    return {version.head: version for version in versions}


def groups_in_force(shipped: Sequence[WordGroup], newest: Mapping[str, GroupVersion]) -> tuple[WordGroup, ...]:
    """What the base says of a head goes before what comes with the product; a removed head is in neither."""
    own = (version.group() for version in newest.values() if not version.removed)
    return (*own, *(group for group in shipped if group.head not in newest))


def _saying(kept: Mapping[str, object]) -> GroupSaying:
    return GroupSaying(str(kept["word"]), float(str(kept["weight"])), bool(kept["both_ways"]))
