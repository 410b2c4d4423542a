"""The one place that puts the parts together."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from api.bench_indexes import Bench
from api.bench_running import TestRunner
from api.delivering import Courier, sessions_of, ways_out
from api.demonstration import Account, open_accounts
from api.gap_grouping import GapWorker, Parts
from api.learning import Learner
from api.repeating import Repeating
from api.settings import Settings
from api.weights import WeightsWatch
from api.worker import Worker
from ingest.follower import Follower
from models.database import open_engine
from models.migrate import is_current
from retrieval.embedded import EmbeddedIndex, weights_for
from retrieval.encoder import Encoder
from retrieval.model_files import ModelError
from retrieval.ranker import Ranker, Thresholds
from retrieval.reader import Reader, ReaderError
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
    index: EmbeddedIndex
    encoder: Encoder | None
    """None: no model is installed; search goes by words only, and every page says so."""
    follower: Follower
    demonstration_accounts: tuple[Account, ...]
    """Whom the published password let in when the process started; nobody in a real base."""
    memory: VectorStore | None
    """None without an encoder."""
    workers: tuple[Repeating, ...]
    """What goes on beside answering: the clock's work and the sending of messages, unless another process does it; test
    runs and the grouping of unanswered questions, which need the index."""
    bench: Bench
    """What a test run may use."""
    weights: WeightsWatch
    """Lets the index search with the weights that are in force."""

    def start(self) -> None:
        """Begin to follow the base, and what else goes on beside answering."""
        self.follower.start()
        for worker in self.workers:
            worker.start()

    def stop(self) -> None:
        """Returns when nothing of it goes on any more."""
        for worker in self.workers:
            worker.stop()
        self.follower.stop()

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
    memory = VectorStore(settings.data_folder / "vectors.db", encoder) if encoder else None
    own_words = words_of(settings)
    reader = load_reader(settings) if encoder else None
    ranker = Ranker.load(weights_for(encoder, reader))
    index = EmbeddedIndex(
        encoder,
        memory=memory,
        reader=reader,
        tokeniser=shipped_tokeniser(tuple(own_words)),
        ranker=ranker,
        thresholds=thresholds_of(settings, ranker),
    )

    def use_thesaurus(thesaurus: Thesaurus) -> None:
        index.use(Tokeniser(own_words, thesaurus))

    follower = Follower(open_session, index, use_thesaurus)
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
        workers=(
            *(_workers(settings, open_session) if settings.worker else ()),
            weights,
            TestRunner(bench),
            GapWorker(open_session, Parts(index, encoder, memory, follower)),
        ),
        bench=bench,
        weights=weights,
    )


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


def load_encoder(settings: Settings) -> Encoder | None:
    """The model that the settings name; None, with a warning in the log, when it is not there or damaged."""
    try:
        return Encoder.load(settings.models_folder / settings.model, threads=os.cpu_count() or 1)
    except ModelError as error:
        logger.warning("未载入语义模型，仅按词语检索：%s", error)
        return None


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


def get_session(services: Annotated[Services, Depends(get_services)]) -> Iterator[Session]:
    """Dependency: a database session for one request. The route commits, before its response leaves."""
    with services.open_session() as session:
        yield session


UsingServices = Annotated[Services, Depends(get_services)]
UsingSession = Annotated[Session, Depends(get_session, scope="function")]
