"""Make ``retrieval/weights/reader.onnx``: ``python -m benchmarks.train_reader`` (needs ``pip install -e .[train]``).

A cross-encoder (Nogueira & Cho 2019, arXiv:1901.04085) that starts from the service's own encoder and learns, from
questions marked ``train`` with the entry that answers them, the one they were written to miss, and the entries that the
search finds first: first on the demonstration base, then on all bases with questions of our own. Binary cross-entropy,
AdamW with a linear schedule, a fixed seed, word vectors kept still. About 50 minutes on two cores with bfloat16.
``--only-demonstration`` stops after the first part: a reader that has seen no other base.
"""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from tokenizers import Tokenizer

from benchmarks import quality
from benchmarks.datasets import Corpus, Query
from benchmarks.encoders import open_encoder
from benchmarks.suite import DEMONSTRATION, question_sets
from models.values import Viewer
from retrieval.checkpoint import Tensors, read_checkpoint
from retrieval.embedded import EmbeddedIndex
from retrieval.encoder import Encoder
from retrieval.onnx_bert import BertShape, Precision, pair_reader
from retrieval.passages import pair
from retrieval.reader import PACKAGED, TOKENIZER_KEY, Pair, joined

SEED = 7
BATCH = 32
DROPOUT = 0.1
FIRST = {"epochs": 3.0, "rate": 1e-4}
SECOND = {"epochs": 2.0, "rate": 7e-5}
WARM_UP = 0.06
"""Share of the steps in which the rate rises."""
FOUND_FIRST = 2
"""Wrong entries among so many of the first hits are negative examples."""
_LEFT_OUT_TOKENS = re.compile(r"##[^\x00-\x7f]|\[unused\d+\]$|^[぀-ヿ가-힯]")
"""Tokens that no Chinese question needs: ideographs inside words, kana, hangul."""

Model = Any
"""A torch module; torch is not there when this file is read."""


@dataclass(frozen=True)
class Example:
    """A question and an entry, as the reader sees them, and whether the one answers the other."""

    pair: Pair
    answers: bool


def main(
    checkpoint: Annotated[
        Path, typer.Option(help="起始模型所在文件夹：pytorch_model.bin、config.json、tokenizer.json")
    ],
    data: Annotated[Path, typer.Option(help="开发数据所在文件夹")] = Path("../shared/data"),
    only_demonstration: Annotated[bool, typer.Option(help="只用演示库")] = False,
    out: Annotated[Path, typer.Option(help="写到哪里")] = Path("retrieval/weights") / PACKAGED,
) -> None:
    """训练精读模型并存为 ONNX。"""
    torch = import_module("torch")
    torch.manual_seed(SEED)
    encoder = open_encoder(None, threads=2)
    sets = [s for s in question_sets(data) if any(q.split == "train" for q in s[1])]
    ours = [s for s in sets if s[0].name == DEMONSTRATION]
    tensors = read_checkpoint(checkpoint / "pytorch_model.bin")
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    model = network(tensors, BertShape.from_config(config))
    train(model, tokenizer, [e for corpus, queries in ours for e in examples(corpus, queries, encoder)], **FIRST)
    if not only_demonstration:
        train(model, tokenizer, [e for corpus, queries in sets for e in examples(corpus, queries, encoder)], **SECOND)
    out.write_bytes(exported(tensors_of(model), config, json.loads(tokenizer.to_str())))
    print(f"{out}：{out.stat().st_size / 1e6:.1f} MB")


def examples(corpus: Corpus, queries: Sequence[Query], encoder: Encoder | None) -> Iterator[Example]:
    """Of each training question the entries that answer it, the one it was written about, and the first hits."""
    index = EmbeddedIndex(encoder)
    quality.build(index, corpus)
    number_of = {key: number for number, key in enumerate(corpus.ids)}
    for query in queries:
        if query.split != "train":
            continue
        hits = index.search(query.text, Viewer(everything=True), datetime.now(UTC), 20).hits
        matched = {hit.entry_id: hit.phrasing for hit in hits}
        wanted = [*sorted(query.relevant), query.about]
        entries = [number_of[key] for key in wanted if key in number_of] + [h.entry_id for h in hits[:FOUND_FIRST]]
        question = index.explain(query.text)
        for entry in dict.fromkeys(entries):
            document = corpus.documents[entry]
            shown = pair(question, document, matched.get(entry, document.question))
            yield Example(shown, corpus.ids[entry] in query.relevant)


def network(tensors: Tensors, shape: BertShape) -> Model:
    """A BERT with one output, started from an encoder's weights."""
    torch = import_module("torch")
    given = {name.removeprefix("bert."): torch.tensor(np.asarray(value, np.float32)) for name, value in tensors.items()}
    layers = [
        {part: given[f"encoder.layer.{i}.{part}"] for part in _parts(given, f"encoder.layer.{i}.")}
        for i in range(shape.layers)
    ]
    positions = given["embeddings.position_embeddings.weight"] + given["embeddings.token_type_embeddings.weight"][0]

    class Reader(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            kept = torch.nn.Parameter
            self.words = kept(given["embeddings.word_embeddings.weight"], requires_grad=False)
            self.positions = kept(positions)
            self.scale = kept(given["embeddings.LayerNorm.weight"])
            self.shift = kept(given["embeddings.LayerNorm.bias"])
            self.layers = torch.nn.ModuleList(
                torch.nn.ParameterDict({name.replace(".", "-"): kept(value) for name, value in layer.items()})
                for layer in layers
            )
            self.head = torch.nn.Linear(shape.width, 1)
            torch.nn.init.normal_(self.head.weight, std=0.02)
            torch.nn.init.zeros_(self.head.bias)

        def forward(self, ids: Any) -> Any:
            norm = torch.nn.functional.layer_norm
            drop = torch.nn.functional.dropout
            linear = torch.nn.functional.linear
            states = self.words[ids] + self.positions[: ids.shape[1]]
            states = drop(norm(states, (shape.width,), self.scale, self.shift, shape.epsilon), DROPOUT, self.training)
            mask = (ids > 0)[:, None, None, :]
            for layer in self.layers:

                def through(name: str, x: Any, layer: Any = layer) -> Any:
                    return linear(x, layer[f"{name}-weight"], layer[f"{name}-bias"])

                def settled(name: str, x: Any, layer: Any = layer) -> Any:
                    return norm(x, (shape.width,), layer[f"{name}-weight"], layer[f"{name}-bias"], shape.epsilon)

                heads = [
                    through(f"attention-self-{part}", states).unflatten(-1, (shape.heads, -1)).transpose(1, 2)
                    for part in ("query", "key", "value")
                ]
                seen = torch.nn.functional.scaled_dot_product_attention(*heads, attn_mask=mask)
                seen = through("attention-output-dense", seen.transpose(1, 2).flatten(2))
                states = settled("attention-output-LayerNorm", states + drop(seen, DROPOUT, self.training))
                inner = torch.nn.functional.gelu(through("intermediate-dense", states))
                outer = drop(through("output-dense", inner), DROPOUT, self.training)
                states = settled("output-LayerNorm", states + outer)
            return self.head(states[:, 0])[:, 0]

    return Reader()


def train(model: Model, tokenizer: Tokenizer, chosen: Sequence[Example], *, epochs: float, rate: float) -> None:
    """Go through the examples ``epochs`` times, pairs of like length together."""
    torch = import_module("torch")
    shuffler = random.Random(SEED)
    start, end = tokenizer.encode("").ids
    ids = [
        joined([tokenizer.encode(part, add_special_tokens=False).ids for part in example.pair], start, end)
        for example in chosen
    ]
    steps = int(epochs * len(ids) / BATCH)
    learning = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=rate, weight_decay=0.01)
    model.train()
    step = 0
    while step < steps:
        for batch in _batches([len(row) for row in ids], shuffler):
            if step == steps:
                break
            share = step / steps
            for group in optimiser.param_groups:
                group["lr"] = rate * (share / WARM_UP if share < WARM_UP else (1 - share) / (1 - WARM_UP))
            longest = max(len(ids[i]) for i in batch)
            padded = torch.tensor([ids[i] + [0] * (longest - len(ids[i])) for i in batch])
            right = torch.tensor([float(chosen[i].answers) for i in batch])
            with torch.autocast("cpu", torch.bfloat16):
                values = model(padded)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(values.float(), right)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learning, 1.0)
            optimiser.step()
            step += 1
            if step % 100 == 0:
                print(f"{step}/{steps} 步，损失 {loss.item():.3f}", flush=True)


def tensors_of(model: Model) -> Tensors:
    """The weights under the names that ``retrieval.onnx_bert`` looks for."""
    held = {
        "embeddings.word_embeddings.weight": model.words,
        "embeddings.position_embeddings.weight": model.positions,
        "embeddings.LayerNorm.weight": model.scale,
        "embeddings.LayerNorm.bias": model.shift,
        "classifier.weight": model.head.weight,
        "classifier.bias": model.head.bias,
    }
    for i, layer in enumerate(model.layers):
        held |= {f"encoder.layer.{i}.{name.replace('-', '.')}": value for name, value in layer.items()}
    tensors = {name: np.asarray(value.detach().numpy(), np.float32) for name, value in held.items()}
    width = tensors["classifier.weight"].shape[1]
    return tensors | {"embeddings.token_type_embeddings.weight": np.zeros((2, width), np.float32)}


def exported(tensors: Tensors, config: Mapping[str, Any], tokenizer: dict[str, Any]) -> bytes:
    """The reader's file: int8, with the part of the vocabulary that Chinese needs."""
    vocabulary = tokenizer["model"]["vocab"]
    kept = [
        word for word, _ in sorted(vocabulary.items(), key=lambda item: item[1]) if not _LEFT_OUT_TOKENS.search(word)
    ]
    number = {word: i for i, word in enumerate(kept)}
    tokenizer["model"]["vocab"] = number
    tokenizer["padding"] = tokenizer["truncation"] = None
    for added in tokenizer["added_tokens"]:
        added["id"] = number[added["content"]]
    for mark in tokenizer["post_processor"].get("special_tokens", {}).values():
        mark["ids"] = [number[token] for token in mark["tokens"]]
    words = tensors["embeddings.word_embeddings.weight"][[vocabulary[word] for word in kept]]
    return pair_reader(
        tensors | {"embeddings.word_embeddings.weight": words},
        {**config, "vocab_size": len(kept)},
        precision=Precision.INT8,
        metadata={TOKENIZER_KEY: json.dumps(tokenizer, ensure_ascii=False)},
    )


def _parts(given: Mapping[str, Any], prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in given if name.startswith(prefix)]


def _batches(lengths: Sequence[int], shuffler: random.Random) -> list[list[int]]:
    """Places in random batches of like length, all of them once."""
    order = list(range(len(lengths)))
    shuffler.shuffle(order)
    block = BATCH * 40
    batches = []
    for start in range(0, len(order), block):
        alike = sorted(order[start : start + block], key=lambda i: lengths[i])
        batches += [alike[i : i + BATCH] for i in range(0, len(alike), BATCH)]
    shuffler.shuffle(batches)
    return batches


if __name__ == "__main__":
    typer.run(main)
