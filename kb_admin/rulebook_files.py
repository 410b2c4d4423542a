"""Rulebooks as files: those that come with the program, and any other text of that form. docs/rulebooks.md shows it.

Reading is strict. An unknown key, a value without a source, a contradiction: each is told with file and key, and a
text with a single fault is refused whole.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files

from kb_admin.rulebook import Rulebook
from kb_admin.rulebook_building import build, written_of
from kb_admin.rulebook_contradictions import contradictions
from kb_admin.rulebook_text import Written, completed, missing, read_text, toml_of
from models.errors import Invalid, NotFound

DEFAULT = "default"
FOLDER = files("kb_admin").joinpath("rulebooks")
SHIPPED: tuple[str, ...] = (
    DEFAULT,
    *sorted(
        name for entry in FOLDER.iterdir() if (name := entry.name.removesuffix(".toml")) not in (DEFAULT, entry.name)
    ),
)
"""Names of the rulebooks that come with the program."""


@cache
def load_shipped(name: str) -> Rulebook:
    """The rulebook of that name. Raises NotFound, naming those that there are."""
    return read(shipped_text(name), file=f"{name}.toml")


def shipped_text(name: str) -> str:
    """The file as it was written. Raises NotFound."""
    if name not in SHIPPED:
        raise NotFound(f"没有名为“{name}”的规则。随程序提供的有：{'、'.join(SHIPPED)}。")
    return FOLDER.joinpath(f"{name}.toml").read_text(encoding="utf-8")


@lru_cache(maxsize=64)
def read(text: str, *, file: str) -> Rulebook:
    """The rulebook that a text says, what it leaves unsaid taken from the defaults. Raises Invalid with every fault."""
    rulebook, faults = examine(text)
    if rulebook is None or faults:
        listed = "".join(f"\n  {fault}" for fault in faults)
        raise Invalid(f"规则文件 {file} 有 {len(faults)} 处错误，没有采用：{listed}")
    return rulebook


def examine(text: str) -> tuple[Rulebook | None, tuple[str, ...]]:
    """What a text says and all that is wrong with it, each as "key：sentence"; no rulebook where it cannot be told."""
    try:
        own = read_text(text)
    except Invalid as error:
        return None, (str(error),)
    whole = completed(own, _defaults())
    faults = (*own.faults, *_unknown_checks(own))
    if faults:
        return None, faults
    if lacking := tuple(missing(whole)):
        return None, lacking
    try:
        rulebook = build(whole)
    except Invalid as error:
        return None, (f"hours：{error}",)
    return rulebook, tuple(contradictions(rulebook))


def whole_text(rulebook: Rulebook | str) -> str:
    """Every key with its source, also those from the defaults: what it says does not change when these do.

    A name stands for the shipped rulebook. Raises NotFound, and Invalid for a value without a source.
    """
    return _shipped_whole(rulebook) if isinstance(rulebook, str) else toml_of(written_of(rulebook))


@cache
def _shipped_whole(name: str) -> str:
    return toml_of(written_of(load_shipped(name)))


@cache
def _defaults() -> Written:
    return read_text(shipped_text(DEFAULT))


def _unknown_checks(own: Written) -> Iterator[str]:
    known = _defaults().items("checks")
    for name in own.items("checks"):
        if name not in known:
            yield f"checks.{name}：没有这项检查，可写：{'、'.join(known)}"
