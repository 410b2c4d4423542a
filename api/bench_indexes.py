"""Which index a test run searches: the live one as it stands, one with other means, or one built anew."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from api.settings import Settings
from api.weights import fingerprint_of
from ingest.snapshots import documents_at, live_version_ids, thesaurus_at
from kb_admin.bench_runs import NO_MODEL, SHIPPED, RunSettings
from kb_admin.contents import batches
from models.errors import Invalid, NotFound, Unavailable
from models.improvement import RankerFit
from models.knowledge import Entry, Version
from models.values import VersionStatus
from retrieval.documents import Change
from retrieval.embedded import EmbeddedIndex, Means, TextEncoder, weights_for
from retrieval.encoder import Encoder
from retrieval.model_files import MANIFEST_FILE, ModelError
from retrieval.ranker import Ranker, Thresholds
from retrieval.reader import Reader, ReaderError
from retrieval.service_index import ServiceIndex
from retrieval.tokens import Tokeniser
from retrieval.vector_store import VectorStore

Tell = Callable[[str], None]
"""Told how far the building of an index has come; raises when nobody waits for it any more."""


@dataclass(frozen=True)
class Bench:
    """What of the service a test run may use."""

    settings: Settings
    open_session: sessionmaker[Session]
    index: ServiceIndex
    encoder: Encoder | None
    memory: VectorStore | None
    own_words: tuple[str, ...]
    thresholds_of: Callable[[Ranker], Thresholds]
    level: Callable[[], object]
    """Makes the live index hold all that is published."""


@dataclass(frozen=True)
class Tested:
    """An index ready to be tested, and what is to be known of it."""

    index: ServiceIndex
    codes: frozenset[str]
    """Of all entries in it."""
    moment: datetime
    """At which validity is judged."""
    circumstances: dict[str, Any]


def tested(bench: Bench, settings: RunSettings, now: datetime, tell: Tell) -> Tested:
    """The index that the settings ask for. Raises Unavailable, Invalid or NotFound when it cannot be had."""
    encoder = _encoder(bench, settings)
    bench.level()
    means = _means(bench, settings, encoder)
    same_vectors = encoder is None or encoder is bench.encoder
    if settings.moment is None and same_vectors:
        index = bench.index.frozen(means)
        with bench.open_session() as session:
            published = select(Entry.code).join(Version).where(Version.status == VersionStatus.PUBLISHED)
            codes = frozenset(session.scalars(published))
    else:
        index, codes = _built(bench, means, settings.moment or now, tell)
    known = {
        "entries": len(index),
        "model": encoder.name if encoder else "",
        "fingerprint": encoder.fingerprint[:12] if encoder else "",
        "reader": means.reader is not None,
        "weights": weights_for(means.encoder, means.reader),
        "direct": means.thresholds.direct,
        "choose": means.thresholds.choose,
    }
    return Tested(index, codes, settings.moment or now, known)


def model_names(settings: Settings) -> list[str]:
    """The models on this machine."""
    return sorted(path.parent.name for path in settings.models_folder.glob(f"*/{MANIFEST_FILE}"))


def check_model(settings: Settings, wanted: RunSettings) -> None:
    """Raises NotFound for a model that is not on this machine."""
    if wanted.model not in ("", NO_MODEL, *model_names(settings)):
        raise NotFound(f"本机没有名为“{wanted.model}”的模型。请先用 zhida model fetch 获取。")


def _encoder(bench: Bench, settings: RunSettings) -> Encoder | None:
    if settings.model == NO_MODEL:
        return None
    if settings.model in ("", bench.encoder.name if bench.encoder else ""):
        return bench.encoder
    check_model(bench.settings, settings)
    try:
        return Encoder.load(bench.settings.models_folder / settings.model, threads=os.cpu_count() or 1)
    except ModelError as error:
        raise Unavailable(str(error)) from error


def _means(bench: Bench, settings: RunSettings, encoder: Encoder | None) -> Means:
    """The service's own, changed as far as the settings say; other weights bring their own thresholds."""
    own = bench.index.means
    reader = None if encoder is None or not settings.reader else own.reader or _reader(bench)
    name = weights_for(encoder, reader)
    if not settings.weights and name == weights_for(own.encoder, own.reader):
        ranker, thresholds = own.ranker, own.thresholds
    else:
        chosen = _ranker(bench, settings, name, encoder)
        ranker, thresholds = chosen, bench.thresholds_of(chosen)
    direct = settings.direct if settings.direct is not None else thresholds.direct
    choose = settings.choose if settings.choose is not None else thresholds.choose
    return Means(encoder, reader, ranker, Thresholds(direct=max(direct, choose), choose=choose))


def _reader(bench: Bench) -> Reader | None:
    """For a service that has one, but no model to go with it until now."""
    if not bench.settings.reader:
        return None
    try:
        return Reader.load()
    except ReaderError as error:
        raise Unavailable(str(error)) from error


def _ranker(bench: Bench, settings: RunSettings, name: str, encoder: Encoder | None) -> Ranker:
    if settings.weights in ("", SHIPPED):
        return Ranker.load(name)
    with bench.open_session() as session:
        fit = session.get(RankerFit, int(settings.weights))
        if fit is None:
            raise NotFound(f"第 {settings.weights} 次拟合的权重已被删除。")
        if fit.weights_name != name:
            raise Invalid(f"第 {fit.id} 次拟合的是“{fit.weights_name}”的权重，这次运行用的是“{name}”，不能套用。")
        if fit.comparison.get("model", "") != fingerprint_of(encoder):
            raise Invalid(f"第 {fit.id} 次拟合的权重是用另一个语义模型得出的，不能用于这次运行。")
        try:
            return Ranker.read(fit.weights)
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(f"第 {fit.id} 次拟合的权重不适用于现在的程序（{error}）。") from error


def _built(bench: Bench, means: Means, moment: datetime, tell: Tell) -> tuple[ServiceIndex, frozenset[str]]:
    """An index of its own, from the versions that were live at the moment."""
    with bench.open_session() as session:
        thesaurus = thesaurus_at(session, moment)
        version_ids = live_version_ids(session, moment)
        memory, done = _memory(bench, means.encoder), 0
        index = EmbeddedIndex(
            means.encoder,
            memory=memory,
            reader=means.reader,
            tokeniser=Tokeniser(list(bench.own_words), thesaurus),
            ranker=means.ranker,
            thresholds=means.thresholds,
        )
        try:
            entry_ids: list[int] = []
            for documents in documents_at(session, version_ids):
                index.apply([Change(document.entry_id, document) for document in documents])
                entry_ids += [document.entry_id for document in documents]
                done += len(documents)
                tell(f"正在建立检索库：{done} / {len(version_ids)} 条")
        finally:
            if isinstance(memory, VectorStore) and memory is not bench.memory:
                memory.close()
        return index, frozenset(_codes(session, entry_ids))


def _memory(bench: Bench, encoder: TextEncoder | None) -> TextEncoder | None:
    """The same cache of vectors for all models: each text is kept by the model's fingerprint."""
    if encoder is None:
        return None
    if encoder is bench.encoder:
        return bench.memory
    return VectorStore(bench.settings.data_folder / "vectors.db", encoder) if isinstance(encoder, Encoder) else None


def _codes(session: Session, entry_ids: Iterable[int]) -> Iterable[str]:
    for some in batches(list(entry_ids)):
        yield from session.scalars(select(Entry.code).where(Entry.id.in_(some)))
