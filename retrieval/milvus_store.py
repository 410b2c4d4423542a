"""Milvus as a store of entries: two collections, what is written to them, and what they nominate under filters."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from pymilvus import AnnSearchRequest, DataType, MilvusClient, RRFRanker
from pymilvus.client.ts_utils import get_collection_ts
from pymilvus.exceptions import MilvusException

from models.errors import Unavailable
from models.values import Viewer
from retrieval.documents import Document
from retrieval.milvus_rows import (
    EMPTY,
    LIKE_FIELDS,
    PAYLOAD_BYTES,
    TEXT_BYTES,
    Row,
    Sparse,
    dimension_of,
    microseconds,
    unpacked,
)
from retrieval.vectors import Matrix

MARK_ID = -1
PER_REQUEST = 200
"""Rows written at a time: well below the 64 MB that Milvus takes in one message."""
PAGE = 1000
MOST_IDS = 500
"""Entries named in one filter."""
TIMEOUT_SECONDS = 10.0
NOT_LOADED = 101
"""Milvus's code."""
READ_SECONDS = 5.0
"""After so long an agent is told that there is no answer, rather than kept waiting."""
PATTERN_MARKS = str.maketrans({"\\": None, "%": None, "_": None, '"': None, "'": None})

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """What one search looks for in one field, and how many rows it may nominate."""

    field: str
    vector: Sparse | list[float]
    most: int


@dataclass(frozen=True)
class Stored:
    """An entry as it lies there."""

    document: Document
    stamp: str
    phrase_vectors: Matrix | None
    answer_vector: Matrix | None


@dataclass(frozen=True)
class _Connection:
    process: int
    client: MilvusClient
    pool: ThreadPoolExecutor
    """A search asks both collections at the same time."""

    @classmethod
    def to(cls, url: str, token: str) -> "_Connection":
        try:
            client = MilvusClient(uri=url, token=token, timeout=TIMEOUT_SECONDS)
        except MilvusException as error:
            raise Unavailable(
                f"连不上 Milvus（{url}）：{error.message}。请检查 ZHIDA_MILVUS_URL，以及 Milvus 是否在运行。"
            ) from error
        return cls(os.getpid(), client, ThreadPoolExecutor(8, thread_name_prefix="milvus"))


class MilvusStore:
    """Any number of threads and processes may read and write; of two writers of one entry the later wins.

    Reads are consistent with ``written``: a time of Milvus's own clock that the writer hands on (through the database)
    once its rows are there. A reader that names it sees those rows wherever it runs, and waits only when a query node
    has not come so far: 'Strong' would wait for the next tick of the clock at every search, 'Bounded' may be five
    seconds behind, 'Session' knows only the writes of its own connection.
    """

    def __init__(self, url: str, token: str, name: str, dimension: int | None) -> None:
        """``dimension`` of the vectors; None: words alone. Connects when it is first needed."""
        self.name = name
        self.phrasings, self.entries = f"{name}_phrasings", f"{name}_entries"
        self._dimension = dimension
        self._url, self._token = url, token
        self.written = 0
        self._connected: _Connection | None = None
        self._connecting = Lock()

    def close(self) -> None:
        if self._connected is not None and self._connected.process == os.getpid():
            self._connected.pool.shutdown()
            self._connected.client.close()
        self._connected = None

    @property
    def _client(self) -> MilvusClient:
        return self._connection.client

    @property
    def _pool(self) -> ThreadPoolExecutor:
        return self._connection.pool

    @property
    def _connection(self) -> "_Connection":
        """Of this process: what was opened before a fork is of no use after it. Raises Unavailable."""
        with self._connecting:
            if self._connected is None or self._connected.process != os.getpid():
                self._connected = _Connection.to(self._url, self._token)
            return self._connected

    def exists(self) -> bool:
        """Whether both collections are there."""
        return all(self._client.has_collection(name) for name in (self.phrasings, self.entries))

    def create(self) -> None:
        """Make and load the collections that are missing."""
        for name, add in ((self.phrasings, self._add_phrasing_fields), (self.entries, self._add_entry_fields)):
            if not self._client.has_collection(name):
                schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
                index = MilvusClient.prepare_index_params()
                add(schema, index)
                self._client.create_collection(name, schema=schema)
                self._client.create_index(name, index, sync=False)
            self._client.load_collection(name)

    def drop(self) -> None:
        for name in (self.phrasings, self.entries):
            self._client.drop_collection(name)

    def write(self, phrasings: Sequence[Row], entries: Sequence[Row], gone: Iterable[int]) -> int:
        """Make the entries as the rows say, and take those of ``gone`` out; the time that readers are to name.

        Doing it again changes nothing. The entry's own row decides what is found, so it goes first when an entry goes,
        and phrasings of an older state do no harm until they are gone too.
        """
        for ids in _portions(sorted(gone), MOST_IDS):
            self._client.delete(self.entries, ids=list(ids))
            self._client.delete(self.phrasings, filter=f"entry_id in {list(ids)}")
        for rows in _portions(phrasings, PER_REQUEST):
            self._client.upsert(self.phrasings, list(rows))
        for rows in _portions(entries, PER_REQUEST):
            self._client.upsert(self.entries, list(rows))
        for rows in _portions(entries, MOST_IDS):
            ids, stamps = [row["entry_id"] for row in rows], [row["stamp"] for row in rows]
            self._client.delete(self.phrasings, filter=f"entry_id in {ids} and stamp not in {_texts(stamps)}")
        return self._last_write()

    def settle(self) -> None:
        """Have everything written so far put into indexed segments; Milvus does so by itself, Milvus Lite late."""
        for name in (self.phrasings, self.entries):
            self._client.flush(name)

    def leave_mark(self, mark: str) -> None:
        """Remember whose log these entries come from, and up to where; a row that no filter lets through."""
        row: Row = dict.fromkeys(("version_id", "unit_id", "valid_from", "valid_to"), 0) | {
            "entry_id": MARK_ID,
            "stamp": "",
            "public": False,
            "document": mark,
            "answer": EMPTY,
            "titles": EMPTY,
        }
        if self._dimension is not None:
            row["vector"] = [0.0] * self._dimension
        self._client.upsert(self.entries, [row])

    def mark(self) -> str | None:
        """What ``leave_mark`` left last; None: nothing yet."""
        rows = self._client.get(self.entries, [MARK_ID], ["document"], consistency_level="Strong")
        return str(rows[0]["document"]) if rows else None

    def nominate(self, of_phrasings: Sequence[Asked], of_entries: Sequence[Asked], allowed: str) -> dict[int, str]:
        """Entries among ``allowed`` (a filter) that some field ranks high, each with its stamp."""
        by_phrasing = self._pool.submit(self._hybrid, self.phrasings, of_phrasings, allowed)
        by_entry = self._hybrid(self.entries, of_entries, allowed)
        found = {int(hit["entity"]["entry_id"]): str(hit["entity"]["stamp"]) for hit in by_entry}
        others = sorted({int(hit["entity"]["entry_id"]) for hit in by_phrasing.result()} - found.keys())
        return found | self.current(others, allowed)

    def current(self, entry_ids: Sequence[int], allowed: str = "") -> dict[int, str]:
        """The stamps of those of the entries that are there, and among ``allowed``."""
        stamps: dict[int, str] = {}
        for ids in _portions(entry_ids, MOST_IDS):
            told = _both(f"entry_id in {list(ids)}", allowed)
            rows = self._query(self.entries, told, ["entry_id", "stamp"])
            stamps |= {int(row["entry_id"]): str(row["stamp"]) for row in rows}
        return stamps

    def read(self, entry_ids: Sequence[int]) -> list[Stored]:
        """Those of the entries that are there whole: one that is just being written may be missing."""
        vector = [] if self._dimension is None else ["vector"]
        entries: list[Row] = []
        phrasings: list[Row] = []
        for ids in _portions(entry_ids, MOST_IDS // 5):
            told = f"entry_id in {list(ids)}"
            if vector:
                later = self._pool.submit(self._query, self.phrasings, told, ["entry_id", "stamp", "place", *vector])
            entries += self._query(self.entries, told, ["entry_id", "stamp", "document", *vector])
            phrasings += later.result() if vector else []
        by_entry: dict[tuple[int, str], dict[int, Any]] = {}
        for row in phrasings:
            by_entry.setdefault((row["entry_id"], row["stamp"]), {})[row["place"]] = row["vector"]
        stored = (self._stored(row, by_entry.get((row["entry_id"], row["stamp"]), {})) for row in entries)
        return [entry for entry in stored if entry is not None]

    def phrasings_like(self, patterns: Iterable[tuple[str, str]], allowed: str, most: int) -> dict[int, str]:
        """Entries with a phrasing of which one of the fields matches its pattern (% stands for any text)."""
        told = " or ".join(f'{field} like "{pattern}"' for field, pattern in patterns)
        rows = self._query(self.phrasings, _both(told, allowed), ["entry_id"], most)
        return self.current(sorted({int(row["entry_id"]) for row in rows}), allowed)

    def title_holds(self, word: str, allowed: str) -> bool:
        """Whether a phrasing or keyword of any allowed entry holds the word."""
        return bool(self._hybrid(self.entries, [Asked("titles", {dimension_of(word): 1.0}, 1)], allowed))

    def stamps(self) -> Iterator[tuple[int, str]]:
        """All entries with their stamps."""
        yield from ((row["entry_id"], row["stamp"]) for row in self._all(self.entries, ["entry_id", "stamp"]))

    def phrasing_stamps(self) -> Iterator[tuple[int, str]]:
        """The entry and stamp of every phrasing."""
        yield from ((row["entry_id"], row["stamp"]) for row in self._all(self.phrasings, ["entry_id", "stamp"]))

    def _all(self, name: str, fields: Sequence[str]) -> Iterator[Row]:
        rows = self._client.query_iterator(
            name, batch_size=PAGE, filter="entry_id >= 0", output_fields=list(fields), consistency_level="Strong"
        )
        while page := rows.next():
            yield from page
        rows.close()

    def _hybrid(self, name: str, asked: Sequence[Asked], allowed: str) -> list[Row]:
        """Every row that any of the requests ranks among its best: the ranks are not fused here."""
        requests = [
            AnnSearchRequest(
                data=[one.vector], anns_field=one.field, param={"metric_type": "IP"}, limit=one.most, expr=allowed
            )
            for one in asked
        ]
        if not requests:
            return []
        most = sum(one.most for one in asked)
        found = self._answered(
            name,
            lambda: self._client.hybrid_search(
                name, requests, RRFRanker(), limit=most, output_fields=["entry_id", "stamp"], **self._reading
            ),
        )
        return list(found[0])

    def _query(self, name: str, told: str, fields: Sequence[str], most: int | None = None) -> list[Row]:
        limit = {} if most is None else {"limit": most}
        ask = partial(self._client.query, name, filter=told, output_fields=list(fields), **limit, **self._reading)
        return list(self._answered(name, ask))

    def _answered(self, name: str, ask: Callable[[], Any]) -> Any:
        """What Milvus says. A collection that is there but not in its memory, as after a restart, is loaded first.

        Raises Unavailable, in words for people.
        """
        try:
            try:
                return ask()
            except MilvusException as error:
                if error.code != NOT_LOADED:
                    raise
                self._client.load_collection(name)
                return ask()
        except MilvusException as error:
            raise Unavailable(
                f"检索用的 Milvus 没有答复：{error.message}。请稍后再试；一直如此时请联系管理员。"
            ) from error

    @property
    def _reading(self) -> dict[str, Any]:
        """How every search reads."""
        return {
            "consistency_level": "Customized",
            "guarantee_timestamp": max(1, self.written),
            "timeout": READ_SECONDS,
        }

    def _last_write(self) -> int:
        """The time of the last write over this connection; pymilvus keeps it for its 'Session' level."""
        address = self._client._get_connection().server_address
        last = max(int(get_collection_ts(name, address, "")) for name in (self.phrasings, self.entries))
        self.written = max(self.written, last)
        return self.written

    def _stored(self, row: Mapping[str, Any], vectors: Mapping[int, Any]) -> Stored | None:
        document = unpacked(row["document"])
        if self._dimension is None:
            return Stored(document, row["stamp"], None, None)
        if sorted(vectors) != list(range(len(document.phrasings))):
            return None
        phrases = np.array([vectors[place] for place in range(len(vectors))], np.float32)
        return Stored(document, row["stamp"], phrases, np.array(row["vector"], np.float32))

    def _add_phrasing_fields(self, schema: Any, index: Any) -> None:
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=40)
        schema.add_field("entry_id", DataType.INT64)
        schema.add_field("place", DataType.INT64)
        for name in LIKE_FIELDS:
            schema.add_field(name, DataType.VARCHAR, max_length=TEXT_BYTES)
        self._add_common_fields(schema, index, ("words", "pairs"))
        for name in ("entry_id", *LIKE_FIELDS):
            index.add_index(name, index_type="INVERTED")

    def _add_entry_fields(self, schema: Any, index: Any) -> None:
        schema.add_field("entry_id", DataType.INT64, is_primary=True)
        schema.add_field("document", DataType.VARCHAR, max_length=PAYLOAD_BYTES)
        self._add_common_fields(schema, index, ("answer", "titles"))

    def _add_common_fields(self, schema: Any, index: Any, sparse: Sequence[str]) -> None:
        schema.add_field("stamp", DataType.VARCHAR, max_length=16)
        for name in ("version_id", "unit_id", "valid_from", "valid_to"):
            schema.add_field(name, DataType.INT64)
        schema.add_field("public", DataType.BOOL)
        for name in sparse:
            schema.add_field(name, DataType.SPARSE_FLOAT_VECTOR)
            index.add_index(name, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
        if self._dimension is not None:
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self._dimension)
            index.add_index("vector", index_type="AUTOINDEX", metric_type="IP")


def allowed_to(viewer: Viewer, now: datetime) -> str:
    """The filter form of ``Viewer.may_see`` and of validity at ``now``, exact to the microsecond."""
    moment = microseconds(now)
    told = f"valid_from <= {moment} and valid_to > {moment}"
    if not viewer.everything:
        units = f" or unit_id in {sorted(viewer.unit_ids)}" if viewer.unit_ids else ""
        told += f" and (public == true{units})"
    if viewer.hidden_entry_ids:
        told += f" and entry_id not in {sorted(viewer.hidden_entry_ids)}"
    return told


def _both(one: str, other: str) -> str:
    return f"({one}) and {other}" if other else one


def _texts(texts: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def _portions(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (whole[start : start + size] for start in range(0, len(whole), size))
