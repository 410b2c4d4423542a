"""A BERT sentence encoder as an ONNX graph, written node by node from its weights.

One text in (token ids), one unit vector out. Texts are never padded, so the graph has no attention mask; why
texts go alone is told in retrieval/encoder.py. Two nodes, DynamicQuantizeMatMul and MultiHeadAttention, are
onnxruntime's own: the first is one matrix product in int8 with its scales and bias, the second is one layer's
attention. Architecture: Devlin et al. 2018, "BERT", arXiv:1810.04805.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from retrieval.checkpoint import Tensors

# LayerNormalization came with opset 17, Gelu with 20.
OPSET = 20
IR_VERSION = 10
RUNTIME = "com.microsoft"
# Word vectors use the whole of int8. Matrices stop at 64, because processors without VNNI add two products in
# 16 bits: 255 * 64 * 2 just fits, more overflows, and one text would have another vector on another machine.
# It costs .0003 of cosine; onnxruntime's own cure, session.x64quantprecision, made a query 1.9 times slower,
# even on a processor with VNNI.
WORD_STEPS = 127
MATRIX_STEPS = 64

# What the graph below computes, as (setting, the value it needs, the value an older config leaves unsaid).
SUPPORTED = (
    ("model_type", "bert", None),
    ("hidden_act", "gelu", None),
    ("position_embedding_type", "absolute", "absolute"),
    ("is_decoder", False, False),
)


class UnsupportedModel(Exception):
    """The model is of a kind that this graph does not compute."""


class Pooling(StrEnum):
    """How token states become one vector."""

    MEAN = "mean"
    CLS = "cls"


class Precision(StrEnum):
    """How the weights are kept: float32 is the reference, int8 a quarter of its size and of its time."""

    FLOAT32 = "float32"
    INT8 = "int8"


@dataclass(frozen=True)
class BertShape:
    """The sizes in config.json that the graph depends on."""

    layers: int
    heads: int
    width: int
    inner_width: int
    vocabulary: int
    positions: int
    epsilon: float

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "BertShape":
        """Raises UnsupportedModel, saying which setting is in the way."""
        for setting, needed, unsaid in SUPPORTED:
            found = config.get(setting, unsaid)
            if found != needed:
                raise UnsupportedModel(f"config.json 的 {setting} 是 {found!r}，本系统只支持 {needed!r}。")
        try:
            return cls(
                layers=int(config["num_hidden_layers"]),
                heads=int(config["num_attention_heads"]),
                width=int(config["hidden_size"]),
                inner_width=int(config["intermediate_size"]),
                vocabulary=int(config["vocab_size"]),
                positions=int(config["max_position_embeddings"]),
                epsilon=float(config["layer_norm_eps"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UnsupportedModel(f"config.json 缺少设置或其值不是数：{error}。") from error


def sentence_encoder(tensors: Tensors, config: Mapping[str, Any], *, pooling: Pooling, precision: Precision) -> bytes:
    """The serialised model: input_ids int64 (n, length) in, sentence float32 (n, width) of length 1 out.

    The n texts must be of one length. Raises UnsupportedModel when config or weights are not those of a BERT.
    """
    shape = BertShape.from_config(config)
    graph = _Graph(_Weights(tensors), precision)
    states = _embeddings(graph, shape)
    for layer in range(shape.layers):
        states = _layer(graph, shape, f"encoder.layer.{layer}", states)
    _sentence(graph, states, pooling)
    return graph.serialise("sentence_encoder", "sentence", width=shape.width)


def pair_reader(
    tensors: Tensors, config: Mapping[str, Any], *, precision: Precision, metadata: Mapping[str, str]
) -> bytes:
    """The serialised cross-encoder: input_ids int64 (n, length) in, score float32 (n, 1) out, as log odds.

    It reads the state of the first token through ``classifier.weight`` (1, width) and ``classifier.bias`` (1,).
    """
    shape = BertShape.from_config(config)
    graph = _Graph(_Weights(tensors), precision)
    states = _embeddings(graph, shape)
    for layer in range(shape.layers):
        states = _layer(graph, shape, f"encoder.layer.{layer}", states)
    first = graph.add("Gather", [states, graph.constant("first", np.array(0))], axis=1)
    head = graph.constant("classifier", graph.weights.take("classifier.weight", 1, shape.width).T)
    product = graph.add("MatMul", [first, head])
    bias = graph.constant("classifier.bias", graph.weights.take("classifier.bias", 1))
    graph.add("Add", [product, bias], output="score")
    return graph.serialise("pair_reader", "score", width=1, metadata=metadata)


def _embeddings(graph: "_Graph", shape: BertShape) -> str:
    words = _word_vectors(graph, shape)
    # Every token is of the first segment, so that row is added to all positions once and for all.
    segment = graph.weights.take("embeddings.token_type_embeddings.weight", None, shape.width)[0]
    table = graph.weights.take("embeddings.position_embeddings.weight", shape.positions, shape.width)
    start, axis = graph.constant("start", np.array([0])), graph.constant("position_axis", np.array([0]))
    length = graph.add("Shape", ["input_ids"], start=1)
    # A slice of the table: positions counted out with Range keep the runtime from fusing these nodes.
    positions = graph.add("Slice", [graph.constant("positions", table + segment), start, length, axis])
    return _normalised(graph, shape, "embeddings.LayerNorm", graph.add("Add", [words, positions]))


def _word_vectors(graph: "_Graph", shape: BertShape) -> str:
    table = graph.weights.take("embeddings.word_embeddings.weight", shape.vocabulary, shape.width)
    if graph.precision is Precision.FLOAT32:
        return graph.add("Gather", [graph.constant("words", table), "input_ids"])
    rows, scales = _int8_rows(table, steps=WORD_STEPS)
    row = graph.add("Gather", [graph.constant("words", rows), "input_ids"])
    scale = graph.add("Gather", [graph.constant("word_scales", scales[:, np.newaxis]), "input_ids"])
    return graph.add("Mul", [graph.add("Cast", [row], to=TensorProto.FLOAT), scale])


def _layer(graph: "_Graph", shape: BertShape, prefix: str, states: str) -> str:
    attended = _attention(graph, shape, f"{prefix}.attention", states)
    states = _normalised(graph, shape, f"{prefix}.attention.output.LayerNorm", graph.add("Add", [attended, states]))
    inner = _linear(graph, [f"{prefix}.intermediate.dense"], states, (shape.inner_width, shape.width))
    activated = graph.add("Gelu", [inner])
    outer = _linear(graph, [f"{prefix}.output.dense"], activated, (shape.width, shape.inner_width))
    return _normalised(graph, shape, f"{prefix}.output.LayerNorm", graph.add("Add", [outer, states]))


def _attention(graph: "_Graph", shape: BertShape, prefix: str, states: str) -> str:
    """Query, key and value in one product: the states are then quantised once, not three times."""
    square = (shape.width, shape.width)
    names = [f"{prefix}.self.{part}" for part in ("query", "key", "value")]
    parts = graph.add_many("Split", [_linear(graph, names, states, square)], 3, axis=-1, num_outputs=3)
    context = graph.add("MultiHeadAttention", parts, domain=RUNTIME, num_heads=shape.heads)
    return _linear(graph, [f"{prefix}.output.dense"], context, square)


def _sentence(graph: "_Graph", states: str, pooling: Pooling) -> None:
    """Mean takes every token, [CLS] and [SEP] too, as sentence-transformers does."""
    if pooling is Pooling.MEAN:
        pooled = graph.add("ReduceMean", [states, graph.constant("tokens", np.array([1]))], keepdims=0)
    else:
        pooled = graph.add("Gather", [states, graph.constant("first", np.array(0))], axis=1)
    graph.add("LpNormalization", [pooled], output="sentence", axis=-1, p=2)


def _linear(graph: "_Graph", names: Sequence[str], states: str, size: tuple[int, int]) -> str:
    """states times weights plus bias; several layers of one size become one product, side by side."""
    rows = np.concatenate([graph.weights.take(f"{name}.weight", *size) for name in names])
    bias = np.concatenate([graph.weights.take(f"{name}.bias", size[0]) for name in names])
    bias_name = graph.constant(f"{names[0]}.bias", bias)
    if graph.precision is Precision.FLOAT32:
        product = graph.add("MatMul", [states, graph.constant(f"{names[0]}.weight", rows.T)])
        return graph.add("Add", [product, bias_name])
    quantised, scales = _int8_rows(rows, steps=MATRIX_STEPS)
    inputs = [
        states,
        graph.constant(f"{names[0]}.weight", quantised.T),
        graph.constant(f"{names[0]}.scale", scales),
        graph.constant(f"{names[0]}.zero", np.zeros(len(scales), np.int8)),
        bias_name,
    ]
    return graph.add("DynamicQuantizeMatMul", inputs, domain=RUNTIME)


def _normalised(graph: "_Graph", shape: BertShape, name: str, states: str) -> str:
    scale = graph.constant(f"{name}.weight", graph.weights.take(f"{name}.weight", shape.width))
    bias = graph.constant(f"{name}.bias", graph.weights.take(f"{name}.bias", shape.width))
    return graph.add("LayerNormalization", [states, scale, bias], axis=-1, epsilon=shape.epsilon)


def _int8_rows(weights: np.ndarray, *, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Each row as whole numbers within ±steps, and the scale that brings it back."""
    scales = np.abs(weights).max(axis=1) / np.float32(steps)
    scales[scales == 0] = 1  # a row of zeros, such as [PAD] may have
    return np.rint(weights / scales[:, np.newaxis]).astype(np.int8), scales


class _Weights:
    """The tensors under the names that a bare BERT gives them; a model with a head says "bert." first."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = {name.removeprefix("bert."): tensor for name, tensor in tensors.items()}

    def take(self, name: str, *size: int | None) -> np.ndarray:
        """As float32; None in size accepts any length."""
        if name not in self._tensors:
            raise UnsupportedModel(f"权重文件里没有 {name}，不是 BERT 模型的权重。")
        tensor = self._tensors[name]
        if len(size) != tensor.ndim or any(
            need not in (None, has) for need, has in zip(size, tensor.shape, strict=True)
        ):
            raise UnsupportedModel(f"权重 {name} 的形状是 {tensor.shape}，按 config.json 应为 {size}。")
        return tensor.astype(np.float32)


class _Graph:
    """Nodes and constants as they are added; nodes are named by their turn."""

    def __init__(self, weights: _Weights, precision: Precision) -> None:
        self.weights = weights
        self.precision = precision
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: np.ndarray) -> str:
        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def add(self, operator: str, inputs: Sequence[str], *, output: str = "", **settings: Any) -> str:
        name = output or f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **settings))
        return name

    def add_many(self, operator: str, inputs: Sequence[str], outputs: int, **settings: Any) -> list[str]:
        name = f"{operator}_{len(self._nodes)}"
        names = [f"{name}_{turn}" for turn in range(outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, name=name, **settings))
        return names

    def serialise(self, name: str, output: str, *, width: int, metadata: Mapping[str, str] | None = None) -> bytes:
        ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "length"])
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", width])
        graph = helper.make_graph(self._nodes, name, [ids], [result], self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIME, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        helper.set_model_props(model, dict(metadata or {}))
        return bytes(model.SerializeToString(deterministic=True))
