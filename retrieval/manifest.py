"""What the index on disk consists of: one small file that names the segments, and is whole or is not believed."""

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from retrieval.array_file import Damaged

FORMAT = 2
"""Of the arrays of a segment; a base of another format is built anew."""
CUTTING_CODE = (
    "text.py",
    "numerals.py",
    "tokens.py",
    "marks.py",
    "thesaurus.py",
    "sounds.py",
    "phrase_sounds.py",
    "spelling_table.py",
)
"""Modules that decide what a segment keeps of a text, beside the dictionaries and the libraries."""
CUTTING_LIBRARIES = ("rjieba", "opencc-python-reimplemented")


@dataclass(frozen=True)
class Versions:
    """Bases with different ones do not understand each other."""

    format: int
    tokeniser: str
    """Of all that decides how texts are cut and heard."""
    encoder: str | None
    """The model's fingerprint; None: without vectors."""

    def refusal(self, held: "Versions") -> str:
        """Why a base with the versions ``held`` cannot be used; empty when it can."""
        if held.format != self.format:
            return f"磁盘上的索引是第 {held.format} 版格式，本程序用第 {self.format} 版。"
        if held.tokeniser != self.tokeniser:
            return "磁盘上的索引是用另一套词典或分词程序建立的。"
        if held.encoder != self.encoder:
            return "磁盘上的索引是用另一个向量模型（或没有模型时）建立的。"
        return ""


@dataclass(frozen=True)
class SegmentFile:
    """One segment as it lies in the folder."""

    name: str
    size: int
    """Bytes."""
    checksum: str
    entries: int
    """With those that later segments have superseded."""
    phrasings: int


@dataclass(frozen=True)
class Manifest:
    """One state of the base. Segments are oldest first."""

    generation: int
    position: int
    """The row of the change log up to which the base holds everything."""
    mark: str
    """The caller's: which log that is."""
    versions: Versions
    segments: tuple[SegmentFile, ...]
    created: datetime

    def written(self) -> bytes:
        """As it is kept in a file, with a checksum of its own."""
        told = asdict(self) | {"created": self.created.isoformat()}
        return json.dumps({"manifest": told, "checksum": _checksum(told)}, ensure_ascii=False, indent=1).encode()

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Raises Damaged when a byte of it is not as it was written."""
        try:
            held = json.loads(path.read_bytes())
            told = held["manifest"]
            if held["checksum"] != _checksum(told):
                raise ValueError("校验值不符")
            versions = Versions(**told.pop("versions"))
            segments = tuple(SegmentFile(**segment) for segment in told.pop("segments"))
            created = datetime.fromisoformat(told.pop("created"))
            return cls(**told, versions=versions, segments=segments, created=created)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise Damaged(f"索引清单 {path} 读不出来：{error}。") from error


def versions_of(own_words: Iterable[str], encoder: str | None) -> Versions:
    """Of this program on this machine. ``encoder``: the model's fingerprint, None without a model."""
    digest = blake2b(digest_size=16)
    folder = files("retrieval")
    for name in sorted(file.name for file in (folder / "dictionary").iterdir() if file.is_file()):
        digest.update(f"\n{name}\n".encode() + (folder / "dictionary" / name).read_bytes())
    for name in CUTTING_CODE:
        digest.update(f"\n{name}\n".encode() + (folder / name).read_bytes())
    libraries = [f"{library} {version(library)}" for library in CUTTING_LIBRARIES]
    digest.update("\n".join([*libraries, unicodedata.unidata_version, *sorted(own_words)]).encode())
    return Versions(FORMAT, digest.hexdigest(), encoder)


def manifest_name(generation: int) -> str:
    """The file of a manifest."""
    return f"manifest-{generation:08d}.json"


def number_in(path: Path) -> int:
    """The generation in the name of a file of the base; 0 when there is none."""
    digits = re.search(r"-(\d+)", path.name)
    return int(digits[1]) if digits else 0


def _checksum(told: object) -> str:
    canonical = json.dumps(told, ensure_ascii=False, sort_keys=True)
    return blake2b(canonical.encode(), digest_size=16).hexdigest()
