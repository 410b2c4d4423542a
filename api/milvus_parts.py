"""The parts of a process whose index lies in Milvus. pymilvus is an extra: only here is it asked for."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session, sessionmaker

from api.settings import Settings
from models.errors import Unavailable
from retrieval.embedded import Means, TextEncoder
from retrieval.thesaurus import Thesaurus
from retrieval.tokens import Tokeniser

if TYPE_CHECKING:
    from ingest.fed_follower import FedFollower
    from ingest.feeding import Feeder
    from retrieval.milvus import MilvusIndex
    from retrieval.milvus_store import MilvusStore


def milvus_parts(
    settings: Settings,
    open_session: sessionmaker[Session],
    *,
    means: Means,
    memory: TextEncoder | None,
    own_words: Sequence[str],
    fingerprint: str,
) -> "tuple[MilvusIndex, FedFollower]":
    """An index, and what feeds and follows it. Raises Unavailable where pymilvus is not installed."""
    store = store_in_milvus(settings, means.encoder, own_words, fingerprint)
    from ingest.fed_follower import FedFollower  # noqa: PLC0415 - after the extra is known to be there
    from retrieval.milvus import MilvusIndex  # noqa: PLC0415

    index = MilvusIndex(store, means, Tokeniser(own_words))

    def use_thesaurus(thesaurus: Thesaurus) -> None:
        index.use(Tokeniser(own_words, thesaurus))

    feeder = feeder_of(settings, open_session, store, memory, lambda: index.tokeniser)
    return index, FedFollower(open_session, index, feeder, use_thesaurus)


def store_in_milvus(
    settings: Settings, encoder: TextEncoder | None, own_words: Sequence[str], fingerprint: str
) -> "MilvusStore":
    """The collections of this form, model and dictionary; another of them is another pair of collections."""
    try:
        from retrieval.milvus_rows import FORMAT  # noqa: PLC0415
        from retrieval.milvus_store import MilvusStore  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Unavailable(
            f'ZHIDA_INDEX 设为 milvus，但没有安装 {error.name}。请运行 .venv/bin/pip install "pymilvus>=3.0.2"。'
        ) from error
    told = "\n".join((str(FORMAT), fingerprint, *own_words))
    form = hashlib.blake2b(told.encode(), digest_size=5).hexdigest()
    return MilvusStore(
        settings.milvus_url,
        settings.milvus_token.get_secret_value(),
        f"{settings.milvus_collection}_{form}",
        encoder.dimension if encoder else None,
    )


def feeder_of(
    settings: Settings,
    open_session: sessionmaker[Session],
    store: "MilvusStore",
    memory: TextEncoder | None,
    tokeniser: Callable[[], Tokeniser],
) -> "Feeder":
    """One that feeds the collections of ``store``."""
    from ingest.feeding import Feeder  # noqa: PLC0415

    return Feeder(open_session, store, memory, tokeniser, settings.data_folder / "feeding.lock")
