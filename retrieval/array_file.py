"""Many arrays in one file that is there whole or not at all, and that is read by mapping it into memory.

A file begins with 8 bytes of magic; the arrays follow, each from a multiple of 64 bytes; then JSON that says of each
its type, shape, place and CRC-32; and at the end the length and the CRC-32 of that JSON (two little-endian numbers of
4 bytes) and the magic again. The checksum of the JSON thus vouches for every array, opening a file looks at nothing
else, and arrays can be written one by one, as they are made.
"""

import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

MAGIC = b"ZHIDA\x00A\x01"
ALIGNMENT = 64
BLOCK_BYTES = 1 << 22
_LENGTHS = struct.Struct("<II")
_END_BYTES = _LENGTHS.size + len(MAGIC)
REBUILD = "请运行 zhida index rebuild 重建索引。"


class Damaged(Exception):
    """A file of the index is not as it was written; the message says which."""


def write_arrays(path: Path, arrays: Iterable[tuple[str, NDArray[Any]]], meta: Mapping[str, Any]) -> str:
    """Write the file and return its checksum; each array is let go once it is written. Raises OSError and leaves
    nothing behind where the disk does not do."""
    told: dict[str, Any] = {"meta": meta, "arrays": {}}
    put_file(path, _laid_out(arrays, told))
    return _checksum(_json(told))


def _laid_out(arrays: Iterable[tuple[str, NDArray[Any]]], told: dict[str, Any]) -> Iterator[bytes | memoryview]:
    """The file piece by piece; what stands where is entered in ``told``."""
    yield MAGIC + _padding(len(MAGIC))
    place = ALIGNMENT
    for name, array in arrays:
        held = _bytes(array)
        padding = _padding(len(held))
        told["arrays"][name] = {
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "offset": place,
            "crc32": zlib.crc32(padding, zlib.crc32(held)),
        }
        place += len(held) + len(padding)
        yield held
        yield padding
        del array, held
    told["size"] = place
    last = _json(told)
    yield last + _LENGTHS.pack(len(last), zlib.crc32(last)) + MAGIC


def put_file(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Put a file in its place once every byte of it is on the disk. Raises OSError and leaves nothing behind."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Names of files that have come and gone are on the disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, eq=False)
class ArrayFile:
    """A file opened for reading. What is mapped stays readable when the file is replaced or deleted."""

    path: Path
    meta: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    """Read-only, in the page cache of the machine."""
    checksum: str
    _laid_out: Mapping[str, Mapping[str, Any]]
    _descriptor: int
    """Of the open file; closed when nobody holds this any more."""

    @classmethod
    def open(cls, path: Path) -> "ArrayFile":
        """Quick: reads the end of the file alone. Raises Damaged."""
        try:
            with path.open("rb") as file:
                told, checksum = _read_end(path, file)
                mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                descriptor = os.dup(file.fileno())
        except FileNotFoundError as error:
            raise Damaged(f"索引文件 {path} 不见了。{REBUILD}") from error
        except OSError as error:
            raise Damaged(f"打不开索引文件 {path}（{error}）。") from error
        arrays = {
            name: np.ndarray(tuple(one["shape"]), one["dtype"], mapping, one["offset"])
            for name, one in told["arrays"].items()
        }
        held = cls(path, told["meta"], arrays, checksum, told["arrays"], descriptor)
        finalize(held, os.close, descriptor)
        return held

    def check(self) -> None:
        """Read the whole file, not through the mapping, against its checksums. Raises Damaged or OSError."""
        with self.path.open("rb") as file:
            if _read_end(self.path, file)[1] != self.checksum:
                raise Damaged(f"索引文件 {self.path} 已被别的文件替换。{REBUILD}")
            for name, told in self._laid_out.items():
                file.seek(told["offset"])
                if _crc_of_next(file, _padded(self.arrays[name].nbytes)) != told["crc32"]:
                    raise Damaged(f"索引文件 {self.path} 中的 {name} 与校验值不符，已损坏。{REBUILD}")

    def place_of(self, name: str) -> "Place":
        """Where that array lies, for those who read single rows of it."""
        return Place(self, int(self._laid_out[name]["offset"]))


@dataclass(frozen=True, eq=False)
class Place:
    """Where an array begins in a file that stays open as long as this is held."""

    file: ArrayFile
    start: int
    """Bytes from the beginning of the file."""

    @property
    def descriptor(self) -> int:
        return self.file._descriptor

    def too_short(self) -> Damaged:
        return Damaged(f"索引文件 {self.file.path} 比打开时短了，已损坏。{REBUILD}")


def part_of(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays called ``prefix/name``, by their names."""
    return {key.removeprefix(f"{prefix}/"): array for key, array in arrays.items() if key.startswith(f"{prefix}/")}


def _read_end(path: Path, file: BinaryIO) -> tuple[dict[str, Any], str]:
    """What the file says of its arrays, and its checksum. Raises Damaged."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    begins_well = file.read(len(MAGIC)) == MAGIC
    file.seek(max(0, size - _END_BYTES))
    end = file.read(_END_BYTES)
    if not begins_well or len(end) < _END_BYTES or not end.endswith(MAGIC):
        raise Damaged(f"索引文件 {path} 的开头或末尾不对，没有写完或已损坏。{REBUILD}")
    length, crc = _LENGTHS.unpack(end[: _LENGTHS.size])
    file.seek(max(0, size - _END_BYTES - length))
    held = file.read(length) if length < size else b""
    if len(held) != length or zlib.crc32(held) != crc:
        raise Damaged(f"索引文件 {path} 末尾的说明已损坏。{REBUILD}")
    told = json.loads(held)
    if told["size"] + length + _END_BYTES != size:
        raise Damaged(f"索引文件 {path} 的大小不对，已损坏。{REBUILD}")
    return told, _checksum(held)


def _crc_of_next(file: BinaryIO, size: int) -> int:
    crc = 0
    while size:
        block = file.read(min(size, BLOCK_BYTES))
        if not block:
            return -1
        crc = zlib.crc32(block, crc)
        size -= len(block)
    return crc


def _json(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode()


def _checksum(told: bytes) -> str:
    return blake2b(told, digest_size=16).hexdigest()


def _bytes(array: NDArray[Any]) -> memoryview:
    """An array as it lies in memory, row by row."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.nbytes else memoryview(b"")


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _padding(size: int) -> bytes:
    return bytes(_padded(size) - size)
