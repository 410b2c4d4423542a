"""Complete hybrids that others would use, each on the phrasings and the vectors of one corpus.

Every peer gets each phrasing as a row of its own and gives back entries, the best phrasing of each counted.
"""

import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Protocol

import numpy as np

from retrieval.vectors import Matrix

NOMINATED = 100
"""Phrasings that words and vectors each bring into the fusion: an entry has five."""
KEPT = 10
RRF = 60
WORDS_WEIGHT = 0.5
LINKS, BUILD_EFFORT, SEARCH_EFFORT = 16, 200, 100
"""Of HNSW: M, ef_construction, ef_search."""
AT_A_TIME = 500
STARTING_SECONDS = 60.0


@dataclass(frozen=True)
class Rows:
    """One phrasing each."""

    texts: Sequence[str]
    words: Sequence[Sequence[str]]
    vectors: Matrix
    entry_ids: Sequence[int]


@dataclass(frozen=True)
class Asked:
    """One question."""

    text: str
    words: Sequence[str]
    vector: np.ndarray


class Peer(Protocol):
    """A search that knows words and meaning."""

    ways: tuple[str, ...]
    """Ways of searching one build."""

    def build(self, rows: Rows) -> None: ...

    def search(self, asked: Asked, way: str) -> list[int]:
        """Entries, best first."""

    def process_ids(self) -> list[int]:
        """Of its server's first process, where it has one."""

    def close(self) -> None: ...


class MilvusLite:
    """Milvus's own BM25 function over jieba's words, its HNSW, its two ways of fusion; in its server."""

    ways: tuple[str, ...] = ("RRF", "加权")

    def __init__(self, folder: Path) -> None:
        from pymilvus import MilvusClient  # noqa: PLC0415 - for measurements only

        self._folder = Path(mkdtemp(dir=folder, prefix="milvus-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [str(Path(sys.executable).with_name("milvus-lite")), "server", "--host", "127.0.0.1"]
        told: list[str] = [*command, "--port", str(port), "--data-dir", str(self._folder)]
        with (self._folder / "log").open("w") as log:
            self._server = subprocess.Popen(told, stdout=log, stderr=log)
        _wait_for(port)
        self._client = MilvusClient(uri=f"http://127.0.0.1:{port}")

    def build(self, rows: Rows) -> None:
        from pymilvus import DataType, Function, FunctionType, MilvusClient  # noqa: PLC0415

        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("entry_id", DataType.INT64)
        words = {"enable_analyzer": True, "analyzer_params": {"tokenizer": "jieba"}}
        schema.add_field("text", DataType.VARCHAR, max_length=2000, **words)
        schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=rows.vectors.shape[1])
        schema.add_function(Function("bm25", FunctionType.BM25, ["text"], ["words"]))
        index = MilvusClient.prepare_index_params()
        index.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        graph = {"M": LINKS, "efConstruction": BUILD_EFFORT}
        index.add_index("vector", index_type="HNSW", metric_type="COSINE", params=graph)
        self._client.create_collection("phrasings", schema=schema, index_params=index)
        for start in range(0, len(rows.texts), AT_A_TIME):
            some = range(start, min(start + AT_A_TIME, len(rows.texts)))
            self._client.insert(
                "phrasings",
                [
                    {"id": i, "entry_id": rows.entry_ids[i], "text": rows.texts[i], "vector": rows.vectors[i].tolist()}
                    for i in some
                ],
            )
        self._client.flush("phrasings")
        self._client.load_collection("phrasings")

    def search(self, asked: Asked, way: str) -> list[int]:
        from pymilvus import AnnSearchRequest, RRFRanker, WeightedRanker  # noqa: PLC0415

        ranker = RRFRanker(RRF) if way == "RRF" else WeightedRanker(WORDS_WEIGHT, 1 - WORDS_WEIGHT)
        by_words = AnnSearchRequest(data=[asked.text], anns_field="words", param={}, limit=NOMINATED)
        effort = {"params": {"ef": SEARCH_EFFORT}}
        by_meaning = AnnSearchRequest(data=[asked.vector.tolist()], anns_field="vector", param=effort, limit=NOMINATED)
        found = self._client.hybrid_search(
            "phrasings", [by_words, by_meaning], ranker, limit=NOMINATED, output_fields=["entry_id"]
        )
        return first_entries(hit["entity"]["entry_id"] for hit in found[0])

    def process_ids(self) -> list[int]:
        return [self._server.pid]

    def close(self) -> None:
        self._client.close()
        self._server.terminate()
        self._server.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class Haystack:
    """haystack's store in memory: its BM25 on our words, its retriever of vectors, its joiner."""

    ways: tuple[str, ...] = ("RRF",)

    def __init__(self, folder: Path) -> None:  # noqa: ARG002 - all in memory
        os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
        logging.getLogger("haystack").setLevel(logging.ERROR)
        from haystack.components.joiners import DocumentJoiner  # noqa: PLC0415 - for measurements only
        from haystack.components.retrievers.in_memory import (  # noqa: PLC0415
            InMemoryBM25Retriever,
            InMemoryEmbeddingRetriever,
        )
        from haystack.document_stores.in_memory import InMemoryDocumentStore  # noqa: PLC0415

        self._store = InMemoryDocumentStore(bm25_tokenization_regex=r"\S+", embedding_similarity_function="dot_product")
        self._by_words = InMemoryBM25Retriever(self._store, top_k=NOMINATED)
        self._by_meaning = InMemoryEmbeddingRetriever(self._store, top_k=NOMINATED)
        self._joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=NOMINATED)

    def build(self, rows: Rows) -> None:
        from haystack import Document  # noqa: PLC0415

        for start in range(0, len(rows.texts), AT_A_TIME):
            some = range(start, min(start + AT_A_TIME, len(rows.texts)))
            self._store.write_documents(
                [
                    Document(
                        id=str(i),
                        content=" ".join(rows.words[i]),
                        meta={"entry_id": rows.entry_ids[i]},
                        embedding=rows.vectors[i].tolist(),
                    )
                    for i in some
                ]
            )

    def search(self, asked: Asked, way: str) -> list[int]:  # noqa: ARG002 - it has one
        by_words = self._by_words.run(query=" ".join(asked.words))["documents"]
        by_meaning = self._by_meaning.run(query_embedding=asked.vector.tolist())["documents"]
        found = self._joiner.run(documents=[by_words, by_meaning])["documents"]
        return first_entries(document.meta["entry_id"] for document in found)

    def process_ids(self) -> list[int]:
        return []

    def close(self) -> None:
        pass


def first_entries(entry_ids: Iterable[int]) -> list[int]:
    """Each once, where its best phrasing stands."""
    return list(dict.fromkeys(entry_ids))[:KEPT]


def _wait_for(port: int) -> None:
    until = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
