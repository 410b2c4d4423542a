"""The one place that puts the parts together."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from api.bench_indexes import Bench
from api.bench_running import TestRunner
from api.delivering import Courier, sessions_of, ways_out
from api.demonstration import Account, open_accounts
from api.gap_grouping import GapWorker, Parts
from api.gauging import Gauging, State
from api.index_child import IndexChild
from api.index_keeper import IndexKeeper
from api.learning import Learner
from api.measures import Measures
from api.milvus_parts import milvus_parts
from api.repeating import Repeating
from api.settings import IndexKind, Settings
from api.use_watch import UseWatch
from api.weights import WeightsWatch
from api.worker import Worker
from ingest.base_on_disk import BaseOnDisk
from ingest.follower import Follower
from ingest.following import Following
from ingest.indexing import Indexer
from models.database import open_engine
from models.errors import Unavailable
from models.form import is_current
from retrieval.embedded import EmbeddedIndex, Means, weights_for
from retrieval.encoder import Encoder
from retrieval.model_files import ModelError
from retrieval.ranker import Ranker, Thresholds
from retrieval.reader import Reader, ReaderError
from retrieval.service_index import ServiceIndex
from retrieval.store import Store, versions_of
from retrieval.thesaurus import Thesaurus
from retrieval.tokens import Tokeniser, shipped_tokeniser
from retrieval.vector_store import VectorStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """Everything that a request may need."""

    settings: Settings
    engine: Engine
    open_session: sessionmaker[Session]
    index: ServiceIndex
    encoder: Encoder | None
    """None: no model is installed; search goes by words only, and every page says so."""
    follower: Following
    demonstration_accounts: tuple[Account, ...]
    """Whom the published password let in when the process started; nobody in a real base."""
    memory: VectorStore | None
    """None without an encoder."""
    workers: tuple[Repeating, ...]
    """What goes on beside answering in every process."""
    timed: tuple[Repeating, ...]
    """What one process of a service does for all of them: the clock's work and the sending of messages, unless another
    service does it; test runs and the grouping of unanswered questions, which need the index. Where several do it
    nevertheless, the database keeps them from doing anything twice."""
    bench: Bench
    """What a test run may use."""
    weights: WeightsWatch
    """Lets the index search with the weights that are in force."""
    measures: Measures
    """What the service counts of itself."""
    state: State
    """Whether this process can answer."""

    def start(self) -> None:
        """Begin to follow the base, and what else goes on beside answering.

        A process may have been forked off long after the index was filled: it is brought up to date first.
        """
        with suppress(SQLAlchemyError, Unavailable):  # without them nothing is found; the follower goes on trying
            self.follower.catch_up()
        self.follower.start()
        self.state.running = True
        for worker in self._beside:
            worker.start()

    def stop(self) -> None:
        """Returns when nothing of it goes on any more."""
        self.state.running = False
        for worker in self._beside:
            worker.stop()
        self.follower.stop()

    @property
    def _beside(self) -> tuple[Repeating, ...]:
        return (*self.workers, *self.timed) if self.measures.metrics.place == 0 else self.workers

    def ready_to_fork(self) -> None:
        """No connection goes along into the processes that are forked off: each opens its own."""
        self.engine.dispose()
        self.index.leave_connections()

    @property
    def tokeniser(self) -> Tokeniser:
        """The one that the index uses now; another after each change of the thesaurus."""
        return self.index.tokeniser

    @property
    def demonstration(self) -> bool:
        """Everybody can log in: nothing in the base is to be taken for a real city's answer."""
        return bool(self.demonstration_accounts)

    def close(self) -> None:
        """Let go of the files and connections, so that they are left in good order."""
        self.stop()
        if self.memory is not None:
            self.memory.close()
        self.engine.dispose()


def build(settings: Settings) -> Services:
    """The parts of one process. The index is empty until the follower has caught up."""
    engine = open_engine(settings.database_url)
    open_session = sessions_of(engine, settings)
    encoder = load_encoder(settings)
    memory = vectors_of(settings, encoder)
    own_words = words_of(settings)
    reader = load_reader(settings) if encoder else None
    ranker = Ranker.load(weights_for(encoder, reader))
    means = Means(encoder, reader, ranker, thresholds_of(settings, ranker))
    index: ServiceIndex
    follower: Following
    if settings.index is IndexKind.MILVUS:
        fingerprint = encoder.fingerprint if encoder else ""
        index, follower = milvus_parts(
            settings, open_session, means=means, memory=memory, own_words=own_words, fingerprint=fingerprint
        )
        keepers: tuple[Repeating, ...] = ()
    else:
        index, follower, keeper = _embedded_parts(
            settings, open_session, means, encoder, memory=memory, own_words=own_words
        )
        keepers = (keeper,)
    bench = Bench(
        settings=settings,
        open_session=open_session,
        index=index,
        encoder=encoder,
        memory=memory,
        own_words=tuple(own_words),
        thresholds_of=lambda other: thresholds_of(settings, other),
        level=follower.catch_up,
    )
    weights = WeightsWatch(open_session, index, bench.thresholds_of)
    measures, state = Measures(settings.workers + 1), State()
    if is_current(engine):
        weights.look()
    return Services(
        settings=settings,
        engine=engine,
        open_session=open_session,
        index=index,
        encoder=encoder,
        follower=follower,
        demonstration_accounts=_demonstration_accounts(engine, open_session),
        memory=memory,
        workers=(weights, UseWatch(open_session, index), Gauging(measures, state, engine, index, follower)),
        timed=(
            *(_workers(settings, open_session) if settings.worker else ()),
            *keepers,
            TestRunner(bench),
            GapWorker(open_session, Parts(index, encoder, memory, follower)),
        ),
        bench=bench,
        weights=weights,
        measures=measures,
        state=state,
    )


def _embedded_parts(
    settings: Settings,
    open_session: sessionmaker[Session],
    means: Means,
    encoder: Encoder | None,
    *,
    memory: VectorStore | None,
    own_words: Sequence[str],
) -> tuple[EmbeddedIndex, Follower, IndexKeeper]:
    """The index that lies on this machine, what fills it from the database, and what writes it to disk."""
    index = EmbeddedIndex(
        encoder,
        memory=memory,
        reader=means.reader,
        tokeniser=shipped_tokeniser(tuple(own_words)),
        ranker=means.ranker,
        thresholds=means.thresholds,
    )

    def use_thesaurus(thesaurus: Thesaurus) -> None:
        index.use(Tokeniser(own_words, thesaurus))

    child = IndexChild(settings)
    on_disk = BaseOnDisk(store_of(settings, encoder))
    follower = Follower(
        open_session, index, use_thesaurus, on_disk=on_disk, bring_up=lambda tell: child.run(["flush"], tell)
    )
    return index, follower, IndexKeeper(settings.index_folder, index, follower, child)


def _workers(settings: Settings, open_session: sessionmaker[Session]) -> tuple[Repeating, ...]:
    couriers = (Courier(open_session, way) for way in ways_out(settings))
    return (Worker(open_session), Learner(open_session, words_of(settings)), *couriers)


def thresholds_of(settings: Settings, ranker: Ranker) -> Thresholds:
    """As many wrong answers as the office bears, unless the threshold itself is set."""
    if settings.direct_threshold is not None:
        return Thresholds(direct=settings.direct_threshold, choose=settings.choose_threshold)
    direct = ranker.direct_threshold(settings.wrong_per_100)
    return Thresholds(direct=max(direct, settings.choose_threshold), choose=settings.choose_threshold)


def _demonstration_accounts(engine: Engine, open_session: sessionmaker[Session]) -> tuple[Account, ...]:
    if not is_current(engine):
        return ()
    with open_session() as session:
        return open_accounts(session)


def store_of(settings: Settings, encoder: Encoder | None) -> Store:
    """The index on disk, in the form that this machine's words and model make."""
    return Store(settings.index_folder, versions_of(words_of(settings), encoder.fingerprint if encoder else None))


def vectors_of(settings: Settings, encoder: Encoder | None) -> VectorStore | None:
    """The cache of vectors; None without a model."""
    return VectorStore(settings.data_folder / "vectors.db", encoder) if encoder else None


def indexer_of(
    settings: Settings, open_session: sessionmaker[Session], store: Store, vectors: VectorStore | None
) -> Indexer:
    """Who writes the index to disk."""
    own_words = words_of(settings)

    def tokeniser_with(thesaurus: Thesaurus | None) -> Tokeniser:
        return shipped_tokeniser(tuple(own_words)) if thesaurus is None else Tokeniser(own_words, thesaurus)

    return Indexer(open_session, store, vectors, tokeniser_with)


def load_encoder(settings: Settings) -> Encoder | None:
    """The model that the settings name; None, with a warning in the log, when it is not there or damaged."""
    try:
        return Encoder.load(settings.models_folder / settings.model, threads=_threads(settings))
    except ModelError as error:
        logger.warning("未载入语义模型，仅按词语检索：%s", error)
        return None


def _threads(settings: Settings) -> int:
    """Of the encoder. With several processes one each: threads would not survive the fork, and all cores are busy."""
    return 1 if settings.workers > 1 else os.cpu_count() or 1


def load_reader(settings: Settings) -> Reader | None:
    """The reader that comes with the product; None when it is switched off or, with a warning in the log, damaged."""
    if not settings.reader:
        return None
    try:
        return Reader.load()
    except ReaderError as error:
        logger.warning("不精读：%s", error)
        return None


def words_of(settings: Settings) -> list[str]:
    """The words of the office's dictionary file; none when there is no such file."""
    path = settings.words_file
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def get_services(request: Request) -> Services:
    """Dependency: the process's services."""
    return cast(Services, request.app.state.services)


async def _services(request: Request) -> Services:
    """The same, without a way through the pool of threads."""
    return get_services(request)


def get_session(services: Annotated[Services, Depends(_services)]) -> Iterator[Session]:
    """Dependency: a database session for one request. The route commits, before its response leaves."""
    with services.open_session() as session:
        yield session


UsingServices = Annotated[Services, Depends(_services)]
UsingSession = Annotated[Session, Depends(get_session, scope="function")]
