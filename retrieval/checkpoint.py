"""Reads the weights of a model file, PyTorch's zip or safetensors, as numpy arrays and without torch."""

import json
import pickle
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Tensors = dict[str, np.ndarray]

# numpy has no bfloat16: such values are read as the 16 bits they are and widened to float32.
BFLOAT16 = "bfloat16"
STORAGE_TYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
SAFETENSORS_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": BFLOAT16,
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
# The format's own bound: a longer header is damage, or an attempt to make us allocate.
LONGEST_SAFETENSORS_HEADER = 100_000_000
# What the modules zipfile, zlib, pickle and json raise for damaged bytes, found by altering bytes at random.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    pickle.UnpicklingError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
)


class CheckpointError(Exception):
    """The weights cannot be read, or must not be."""


@dataclass(frozen=True)
class StorageType:
    """What the pickle calls torch.FloatStorage and the like."""

    dtype: str


def read_checkpoint(path: Path) -> Tensors:
    """Every tensor of pytorch_model.bin or model.safetensors, by name.

    Raises CheckpointError for a file that is damaged, of another kind, or whose pickle asks for anything
    beyond tensors. Nothing named in the file is ever imported or called.
    """
    read = _read_safetensors if path.suffix == ".safetensors" else _read_pytorch_zip
    try:
        return read(path)
    except CheckpointError as error:
        raise CheckpointError(f"拒绝读取权重文件 {path}：{error}") from error
    except DAMAGE as error:
        raise CheckpointError(f"权重文件 {path} 已损坏或不完整（{error}），请重新取得。") from error
    except OSError as error:
        raise CheckpointError(f"读不了权重文件 {path}：{error}") from error


def _read_pytorch_zip(path: Path) -> Tensors:
    """A pickle, data.pkl, that lays tensors over the raw numbers in data/0, data/1 and so on."""
    with zipfile.ZipFile(path) as archive:
        files = archive.namelist()
        index = next((file for file in files if file.endswith("/data.pkl")), None)
        if index is None:
            raise CheckpointError("其中没有 data.pkl，不是 PyTorch 的 zip 格式。")
        root = index.removesuffix("data.pkl")
        if root + "byteorder" in files and archive.read(root + "byteorder") != b"little":
            raise CheckpointError("其中的数是大端字节序，不支持。")
        with archive.open(index) as file:
            state = _TensorUnpickler(file, lambda key: archive.read(f"{root}data/{key}")).load()
    if not isinstance(state, dict):
        raise CheckpointError(f"其中存的不是张量表，而是 {type(state).__name__}。")
    return {str(name): tensor for name, tensor in state.items() if isinstance(tensor, np.ndarray)}


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles tensors in OrderedDicts and refuses every other global."""

    def __init__(self, file: Any, read_storage: Callable[[str], bytes]) -> None:
        super().__init__(file)
        self._read_storage = read_storage
        self._storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *arguments: _strided(*arguments[:4])
        if module == "torch" and name in STORAGE_TYPES:
            return StorageType(STORAGE_TYPES[name])
        raise CheckpointError(f"其中引用了 {module}.{name}，权重文件不该需要它，可能是恶意文件。")

    def persistent_load(self, reference: Any) -> np.ndarray:
        kind, storage_type, key, _device, count = reference
        if kind != "storage" or not isinstance(storage_type, StorageType):
            raise CheckpointError(f"其中有不认识的引用 {reference!r}。")
        if key not in self._storages:
            self._storages[key] = _array(self._read_storage(key), storage_type.dtype)
        if self._storages[key].size != count:
            raise CheckpointError(f"数据块 {key} 应有 {count} 个数，实有 {self._storages[key].size} 个。")
        return self._storages[key]


def _strided(storage: np.ndarray, offset: int, shape: Sequence[int], strides: Sequence[int]) -> np.ndarray:
    """A tensor out of its storage; shape and strides come from the file, so they are checked first."""
    furthest = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or (0 not in shape and furthest >= storage.size):
        raise CheckpointError(f"张量形状 {tuple(shape)} 超出了它的数据块（{storage.size} 个数）。")
    byte_strides = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, byte_strides, writeable=False)


def _read_safetensors(path: Path) -> Tensors:
    """Eight bytes of header length, a JSON header, then the tensors' bytes."""
    content = path.read_bytes()
    header_bytes = int.from_bytes(content[:8], "little")
    if len(content) < 8 or header_bytes > min(LONGEST_SAFETENSORS_HEADER, len(content) - 8):
        raise CheckpointError("头部长度与文件大小不符，文件不完整。")
    header = json.loads(content[8 : 8 + header_bytes])
    body = memoryview(content)[8 + header_bytes :]
    return {name: _slice(body, **entry) for name, entry in header.items() if name != "__metadata__"}


def _slice(body: memoryview, *, dtype: str, shape: list[int], data_offsets: list[int]) -> np.ndarray:
    start, end = data_offsets
    if not 0 <= start <= end <= len(body):
        raise CheckpointError(f"数据 {start}–{end} 超出文件（{len(body)} 字节），文件不完整。")
    return _array(body[start:end], SAFETENSORS_TYPES[dtype]).reshape(shape)


def _array(content: bytes | memoryview, dtype: str) -> np.ndarray:
    if dtype == BFLOAT16:
        return (np.frombuffer(content, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(content, dtype)
