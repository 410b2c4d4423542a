"""The encoder that a run asks for."""

from pathlib import Path

from models.errors import Unavailable
from retrieval.encoder import Encoder
from retrieval.model_files import ModelError

MODELS_FOLDER = Path("var/models")
DEFAULT_MODEL = "m3e-small"


def open_encoder(name: str | None, *, threads: int) -> Encoder | None:
    """The named model from var/models or a folder; None for 'none'. Raises Unavailable when it is not there."""
    if name == "none":
        return None
    folder = Path(name) if name and Path(name).is_dir() else MODELS_FOLDER / (name or DEFAULT_MODEL)
    try:
        return Encoder.load(folder, threads=threads)
    except ModelError as error:
        raise Unavailable(f"{error} 也可加 --model none 仅按词语检索。") from error
