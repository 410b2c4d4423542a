"""Nearest neighbours against a plain computation: exact while few, by codes with the promised recall when many."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import kernels, vectors
from retrieval.array_file import ArrayFile, Damaged, write_arrays
from retrieval.codes import SignCodes
from retrieval.postings import Found, Postings, Reading, best_rows, find
from retrieval.statistics import Statistics
from retrieval.vectors import VectorTable
from retrieval.vocabulary import Vocabulary


def unit(rows: int, dimension: int, seed: int, centres: int = 0) -> np.ndarray:
    """Random unit vectors; around so many centres, and all leaning to one side, as an encoder's do."""
    random = np.random.default_rng(seed)
    drawn = random.standard_normal((rows, dimension)).astype(np.float32)
    if centres:
        around = random.standard_normal((centres, dimension)).astype(np.float32)
        drawn = 0.7 * drawn + around[random.integers(0, centres, rows)] + 1.0
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def plainly(table: VectorTable, query: np.ndarray, k: int, allowed: np.ndarray) -> list[int]:
    cosines = table.halves.astype(np.float64) @ query.astype(np.float16).astype(np.float64)
    rows = sorted(np.flatnonzero(allowed), key=lambda row: (-np.float32(cosines[row]), row))
    return [int(row) for row in rows[:k]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.sampled_from([8, 24, 64]), st.integers(1, 70), st.floats(0, 1), st.integers(0, 99))
def test_the_nearest_are_exact_while_few(rows: int, dimension: int, k: int, share: float, seed: int) -> None:
    table = VectorTable.of(unit(rows, dimension, seed)[np.random.default_rng(seed).integers(0, rows, rows)])
    query = unit(1, dimension, seed + 1)[0]
    allowed = np.random.default_rng(seed + 2).random(rows) < share
    assert table.nearest(query, k, allowed).tolist() == plainly(table, query, k, allowed)


def test_a_cosine_is_the_same_whichever_rows_stand_beside_it() -> None:
    table = VectorTable.of(unit(200, 96, 1))
    query = unit(1, 96, 2)[0]
    whole = table.cosines(query, np.arange(200))
    expected = table.halves.astype(np.float64) @ query.astype(np.float16).astype(np.float64)
    np.testing.assert_array_equal(whole, expected.astype(np.float32))
    for row in (0, 77, 199):
        assert table.cosines(query, np.array([row]))[0] == whole[row]


def test_half_floats_come_out_as_numpy_reads_them() -> None:
    finite = np.arange(65536, dtype=np.uint16).view(np.float16)
    finite = finite[np.isfinite(finite)]
    table = VectorTable.of(finite[:, None])
    np.testing.assert_array_equal(table.cosines(np.ones(1, np.float32), np.arange(len(finite))), finite)


@pytest.mark.parametrize("dimension", [128, 512])
def test_rows_by_codes_are_the_nearest_by_hamming_distance(dimension: int) -> None:
    random = np.random.default_rng(3)
    words = random.integers(0, 2**64, (3000, dimension // 64), np.uint64)
    asked = random.integers(0, 2**64, dimension // 64, np.uint64)
    distances = np.bitwise_count(words ^ asked).sum(1)
    for share, depth in ((1.0, 1), (1.0, 100), (0.3, 100), (0.01, 100), (1.0, 2999)):
        allowed = random.random(3000) < share
        held = np.flatnonzero(allowed)
        edge = np.sort(distances[held])[min(depth, len(held)) - 1]
        codes = SignCodes(kernels.fixed(words, np.uint64), np.zeros(dimension, np.float32), depth, len(words))
        found = codes.near(np.where(np.unpackbits(asked.view(np.uint8), bitorder="little"), 1, -1), allowed)
        assert found.tolist() == held[distances[held] <= edge].tolist()


@pytest.fixture(scope="module")
def many() -> VectorTable:
    table = VectorTable.of(unit(vectors.CODED_FROM, 128, 5, centres=150))
    assert table.codes is not None
    return table


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05, 0.001, 0.0])
def test_with_codes_nearly_all_of_the_nearest_are_found_whatever_is_allowed(many: VectorTable, share: float) -> None:
    random = np.random.default_rng(6)
    allowed = random.random(len(many)) < share
    found, sought = 0, 0
    for row in random.integers(0, len(many), 40):
        query = many.rows(np.array([row]))[0] + 0.02 * random.standard_normal(128).astype(np.float32)
        best = plainly(many, query, 10, allowed)
        found += len(set(best) & set(many.nearest(query, 10, allowed).tolist()))
        sought += len(best)
    assert found >= 0.99 * sought


def test_few_allowed_rows_are_found_exactly(many: VectorTable) -> None:
    allowed = np.zeros(len(many), np.bool_)
    allowed[[3, 700, len(many) - 1]] = True
    query = unit(1, 128, 8)[0]
    assert many.nearest(query, 10, allowed).tolist() == plainly(many, query, 10, allowed)


def test_vectors_without_neighbours_are_scanned_exactly() -> None:
    """Random vectors have no near ones: no depth that is worth it reaches the gate."""
    table = VectorTable.of(unit(vectors.CODED_FROM, 64, 9))
    assert table.codes is None


def test_tables_join_and_come_back_from_a_file(many: VectorTable, tmp_path: Path) -> None:
    mapped = {}
    for name, array in many.arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
        mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    again = VectorTable.of_arrays(mapped)
    query = unit(1, 128, 10)[0]
    assert again.nearest(query, 10).tolist() == many.nearest(query, 10).tolist()
    small = VectorTable.of(unit(5, 128, 11))
    joined = VectorTable.joined([(small, np.array([4, 0])), (many, np.array([7]))], np.array([2, 0, 1]))
    np.testing.assert_array_equal(joined.halves, np.stack([many.halves[7], small.halves[4], small.halves[0]]))


def test_an_empty_table_has_no_neighbours() -> None:
    table = VectorTable.of(np.empty((0, 64), np.float32))
    assert not len(table.nearest(unit(1, 64, 1)[0], 5))
    assert not len(table.cosines(unit(1, 64, 1)[0], np.empty(0, np.int64)))


def test_nothing_is_compiled_after_the_start(many: VectorTable) -> None:
    kernels.warm()
    forms = [kernel for kernel in vars(kernels).values() if hasattr(kernel, "signatures")]
    before = [len(kernel.signatures) for kernel in forms]
    vocabulary = Vocabulary()
    postings = Postings.build([["甲", "乙"], ["乙", "丙"], ["丙"]] * 20, vocabulary)
    statistics = Statistics.of([(postings, np.empty(0, np.int64))], len(vocabulary))
    founds: list[Found] = [
        find(postings, readings)
        for readings in ((Reading((0,)),), (Reading((0, 1), 0.5),), (Reading((0,)), Reading((1, 2), 0.5)))
    ]
    for found in founds:
        found.strength_in(np.arange(3))
    for allowed in (None, np.ones(60, np.bool_)):
        best_rows(postings, statistics, [(1.0, found) for found in founds], allowed, 2)
    query = unit(1, 128, 12)[0]
    for table in (many, VectorTable(many.halves, None)):
        table.nearest(query, 10)
        table.nearest(query, 10, np.arange(len(many)) % 2 == 0)
        table.nearest(query, 10, np.arange(len(many)) < 5)
    assert [len(kernel.signatures) for kernel in forms] == before


def test_rows_read_from_the_file_have_the_same_cosines_and_one_that_is_cut_short_is_told(tmp_path: Path) -> None:
    table = VectorTable.of(unit(400, 64, 3))
    path = tmp_path / "table.arrays"
    write_arrays(path, [("before", np.arange(7)), *table.arrays().items()], {})
    file = ArrayFile.open(path)
    in_file = replace(VectorTable.of_arrays(file.arrays), in_file=file.place_of("halves"))
    query, rows = unit(1, 64, 4)[0], np.array([0, 3, 17, 399])
    np.testing.assert_array_equal(in_file.cosines(query, rows), table.cosines(query, rows))
    np.testing.assert_array_equal(in_file.nearest(query, 5), table.nearest(query, 5))
    os.truncate(path, file.place_of("halves").start + 128 * 17)
    assert len(in_file.cosines(query, rows[:2])) == 2
    with pytest.raises(Damaged, match=r"table\.arrays"):
        in_file.cosines(query, rows)


def test_of_the_rows_found_by_codes_those_nearest_to_the_question_itself_are_looked_at(many: VectorTable) -> None:
    codes = many.codes
    assert codes is not None
    query = unit(1, 128, 6)[0]
    wide = replace(codes, depth=600, fine=600).near(query, kernels.fixed([], np.bool_))
    bits = np.unpackbits(codes.words.view(np.uint8), axis=1, bitorder="little")
    likeness = bits[wide].astype(np.float64) @ (query - codes.centre).astype(np.float64)
    kept = replace(codes, depth=600, fine=50).near(query, kernels.fixed([], np.bool_))
    assert len(kept) >= 50
    assert likeness[np.isin(wide, kept)].min() >= np.sort(likeness)[-50] - 1e-5
