"""A file of arrays is there whole or not at all, and says when it is not as it was written."""

import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.array_file import ALIGNMENT, ArrayFile, Damaged, part_of, write_arrays

NAME = "part"
ARRAYS = {
    "words/terms": np.arange(70, dtype=np.int32),
    "words/counts": np.array([1, 2, 3], np.uint16),
    "vectors/halves": np.linspace(-1, 1, 24, dtype=np.float16).reshape(3, 8),
    "nothing": np.empty((0, 8), np.float16),
    "public": np.array([True, False]),
    "strided": np.arange(12, dtype=np.int64).reshape(3, 4).T,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


def test_arrays_come_back_as_they_were_and_cannot_be_written_to(path: Path) -> None:
    checksum = write_arrays(path, ARRAYS.items(), {"名称": "段"})
    file = ArrayFile.open(path)
    assert file.checksum == checksum
    assert file.meta == {"名称": "段"}
    assert file.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        held = file.arrays[name]
        assert held.dtype == array.dtype
        np.testing.assert_array_equal(held, array)
        assert not held.flags.writeable
        assert held.__array_interface__["data"][0] % ALIGNMENT == 0
        with path.open("rb") as raw:
            raw.seek(file.place_of(name).start)
            assert raw.read(array.nbytes) == np.ascontiguousarray(array).tobytes()
    file.check()
    assert part_of(file.arrays, "words").keys() == {"terms", "counts"}
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_checksum_tells_two_contents_apart(path: Path) -> None:
    assert write_arrays(path, ARRAYS.items(), {}) == write_arrays(path, ARRAYS.items(), {})
    assert write_arrays(path, ARRAYS.items(), {}) != write_arrays(
        path, (ARRAYS | {"public": np.array([True, True])}).items(), {}
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_byte_that_changes_is_noticed(path: Path, data: st.DataObject) -> None:
    write_arrays(path, ARRAYS.items(), {})
    whole = bytearray(path.read_bytes())
    after_the_magic = range(8, ALIGNMENT)
    place = data.draw(st.integers(0, len(whole) - 1).filter(lambda i: i not in after_the_magic))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    with pytest.raises(Damaged, match=NAME):
        ArrayFile.open(path).check()


@pytest.mark.parametrize("kept", [0, 5, 16, 300, -1])
def test_a_truncated_file_is_not_opened(path: Path, kept: int) -> None:
    write_arrays(path, ARRAYS.items(), {})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(Damaged, match=NAME):
        ArrayFile.open(path)


def test_a_file_that_is_too_long_or_missing_is_not_opened(path: Path) -> None:
    with pytest.raises(Damaged, match="不见了"):
        ArrayFile.open(path)
    write_arrays(path, ARRAYS.items(), {})
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(Damaged, match=NAME):
        ArrayFile.open(path)


def test_what_is_open_outlives_its_file(path: Path) -> None:
    write_arrays(path, ARRAYS.items(), {})
    file = ArrayFile.open(path)
    write_arrays(path, [("other", np.zeros(3))], {})
    with pytest.raises(Damaged, match="替换"):
        file.check()
    path.unlink()
    np.testing.assert_array_equal(file.arrays["words/terms"], ARRAYS["words/terms"])


def test_a_full_disk_leaves_the_file_that_was_there_and_nothing_else(path: Path) -> None:
    before = write_arrays(path, ARRAYS.items(), {})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_arrays(path, [("large", np.zeros(1 << 19))], {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ArrayFile.open(path).checksum == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]
