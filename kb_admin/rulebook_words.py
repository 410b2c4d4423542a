"""A rulebook as people read it: section by section, every value in words with its article; and two side by side."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from kb_admin.checks import CHECKS
from kb_admin.rulebook import Rulebook
from kb_admin.rulebook_building import written_of
from kb_admin.rulebook_keys import NAMES, SECTIONS, fits, key_of
from kb_admin.rulebook_text import Written

CLOCK_NAMES = ("notices.*.sign", "notices.*.complete", "notices.*.complete_major", "orders.precedence.*")
"""Values that name a clock: people read its title."""


@dataclass(frozen=True)
class Told:
    """One value in words."""

    key: str
    section: str
    item: str
    """What it belongs to: a clock's title, a route's; empty for what stands in its section by itself."""
    label: str
    words: str
    source: str
    """The article, or that it is a default."""
    is_default: bool
    why: str
    """Why this default; or how the article was read."""


@dataclass(frozen=True)
class Group:
    """What stands under one heading within a section."""

    title: str
    lines: tuple[Told, ...]

    @property
    def runs(self) -> tuple[tuple[Told, ...], ...]:
        """Lines that follow each other and have the same source for the same reason: it is told once."""
        return tuple(tuple(run) for _, run in groupby(self.lines, key=lambda line: (line.source, line.why)))


@dataclass(frozen=True)
class Section:
    title: str
    groups: tuple[Group, ...]

    def from_articles(self) -> "Section":
        """Only what the city's own texts say."""
        kept = (Group(g.title, tuple(line for line in g.lines if not line.is_default)) for g in self.groups)
        return Section(self.title, tuple(group for group in kept if group.lines))


@dataclass(frozen=True)
class Difference:
    """A value that two rulebooks do not share; None where one of them has no such thing."""

    one: Told | None
    other: Told | None

    @property
    def told(self) -> Told:
        """Whichever there is, for the headings."""
        found = self.one or self.other
        assert found is not None
        return found


@dataclass(frozen=True)
class Count:
    """How many values a rulebook has, and whence."""

    values: int
    from_articles: int

    @property
    def defaults(self) -> int:
        return self.values - self.from_articles

    def __add__(self, other: "Count") -> "Count":
        return Count(self.values + other.values, self.from_articles + other.from_articles)


def told(rulebook: Rulebook) -> tuple[Told, ...]:
    """Every value in words, in the order in which people read them."""
    written = written_of(rulebook)
    return tuple(_told(key, written, rulebook) for key in written.values)


def sections(rulebook: Rulebook) -> tuple[Section, ...]:
    """The same under their headings; a section without values says so by having no groups."""
    lines = told(rulebook)
    return tuple(
        Section(title, tuple(_groups([line for line in lines if line.section == title]))) for title in SECTIONS.values()
    )


def differences(one: Rulebook, other: Rulebook) -> tuple[Difference, ...]:
    """Where they say something else, key by key. What they say alike for different reasons is not told."""
    first, second = ({line.key: line for line in told(rulebook)} for rulebook in (one, other))
    keys = [*first, *(key for key in second if key not in first)]
    order = list(SECTIONS.values())
    found = (Difference(first.get(key), second.get(key)) for key in keys)
    changed = [each for each in found if not (each.one and each.other and each.one.words == each.other.words)]
    return tuple(sorted(changed, key=lambda each: order.index(each.told.section)))


def count(rulebook: Rulebook) -> Count:
    """Of all single values."""
    sources = written_of(rulebook).sources.values()
    return Count(len(sources), sum(not source.is_default for source in sources))


def _told(key: str, written: Written, rulebook: Rulebook) -> Told:
    known, source, section = key_of(key), written.sources[key], key.split(".", maxsplit=1)[0]
    assert known is not None
    line = Told(
        key=key,
        section=SECTIONS[section],
        item=_item(key, written),
        label=known.label,
        words=known.kind.words(written.values[key]),
        source="系统默认" if source.is_default else rulebook.cite(replace(source, why="")),
        is_default=source.is_default,
        why=source.why,
    )
    if any(fits(pattern, key) for pattern in CLOCK_NAMES) and written.values[key] is not None:
        line = replace(line, words=rulebook.clock(written.values[key]).title)
    return line


def _item(key: str, written: Written) -> str:
    """Heading of the value: titles that the file gives, or the names that everybody knows."""
    path, _, last = key.rpartition(".")
    if path == "checks":
        return CHECKS.get(last, last)
    if path in NAMES:
        return NAMES[path][last]
    section, _, name = path.partition(".")
    if section in NAMES:
        return NAMES[section][name]
    if section == "checklist":
        return ""
    titles = [written.titles[part] for part in _prefixes(path) if part in written.titles]
    return "·".join(titles)


def _prefixes(path: str) -> Iterator[str]:
    parts = path.split(".")
    return (".".join(parts[: length + 1]) for length in range(len(parts)))


def _groups(lines: list[Told]) -> Iterator[Group]:
    for title in dict.fromkeys(line.item for line in lines):
        yield Group(title, tuple(line for line in lines if line.item == title))
