"""The rows nearest to many rows at once: by blocks of matrix products, through cells where that takes too long."""

import numpy as np
from numpy.typing import NDArray

from retrieval.vectors import Matrix

EXACT = 2e7
"""Products of two rows that are computed one and all."""
BLOCK = 1024
LOOKED_INTO = 12
"""Of the cells those nearest to a row."""
TRAINED_ON = 40
"""Rows for each cell that the cells are found from."""
SEED = 12_345


def nearest(queries: Matrix, rows: Matrix, k: int) -> tuple[Matrix, NDArray[np.int64]]:
    """Of each query the ``k`` rows with the highest dot product, best first: products and row numbers, both
    (len(queries), k). Where there are fewer rows, or a cell holds fewer, the number is -1."""
    k = min(k, len(rows))
    if len(queries) * len(rows) <= EXACT:
        return _exact(queries, rows, k)
    return _through_cells(queries, rows, k)


def _exact(queries: Matrix, rows: Matrix, k: int) -> tuple[Matrix, NDArray[np.int64]]:
    found = np.empty((len(queries), k), np.int64)
    products = np.empty((len(queries), k), np.float32)
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK] @ rows.T
        best = np.argpartition(-block, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(block, best, axis=1)
        order = np.lexsort((best, -values), axis=1)
        found[start : start + BLOCK] = np.take_along_axis(best, order, axis=1)
        products[start : start + BLOCK] = np.take_along_axis(values, order, axis=1)
    return products, found


def _through_cells(queries: Matrix, rows: Matrix, k: int) -> tuple[Matrix, NDArray[np.int64]]:
    import faiss  # noqa: PLC0415 - a service that never compares so many keeps the memory

    cells = int(2 * np.sqrt(len(rows)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(rows.shape[1]), rows.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.niter, index.cp.max_points_per_centroid = SEED, 6, TRAINED_ON
    index.train(rows)
    index.add(rows)
    index.nprobe = LOOKED_INTO
    products, found = index.search(queries, k)
    return np.asarray(products), np.asarray(found)
