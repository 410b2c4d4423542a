"""The encoder and the reader that a run asks for."""

from pathlib import Path

from api.settings import Settings
from models.errors import Unavailable
from retrieval.encoder import Encoder
from retrieval.model_files import ModelError
from retrieval.reader import Reader, ReaderError


def open_encoder(name: str | None, *, threads: int) -> Encoder | None:
    """The named model, or the service's own for None; a folder will do too, and 'none' is none.

    Raises Unavailable when it is not there.
    """
    if name == "none":
        return None
    settings = Settings()
    folder = Path(name) if name and Path(name).is_dir() else settings.models_folder / (name or settings.model)
    try:
        return Encoder.load(folder, threads=threads)
    except ModelError as error:
        raise Unavailable(f"{error} 也可加 --model none 仅按词语检索。") from error


def open_reader(encoder: Encoder | None, *, wanted: bool) -> Reader | None:
    """The reader that comes with the product; None without an encoder, for whose weights there is none.

    Raises Unavailable when it is damaged.
    """
    if encoder is None or not wanted:
        return None
    try:
        return Reader.load()
    except ReaderError as error:
        raise Unavailable(f"{error} 也可加 --no-reader 不精读。") from error
