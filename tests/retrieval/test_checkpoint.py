"""What may be read out of a model's weights, and what is refused."""

import contextlib
import json
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from retrieval.checkpoint import CheckpointError, read_checkpoint

TINY = Path(__file__).parent / "data" / "tiny_bert"


def test_both_formats_of_one_model_give_the_same_tensors() -> None:
    from_zip = read_checkpoint(TINY / "pytorch_model.bin")
    from_safetensors = read_checkpoint(TINY / "model.safetensors")
    assert from_zip.keys() == from_safetensors.keys()
    assert from_zip["embeddings.word_embeddings.weight"].shape == (96, 32)
    for name, tensor in from_zip.items():
        np.testing.assert_array_equal(tensor, from_safetensors[name])


class _Malicious:
    """Unpickled by Python's own pickle, it would write a file."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self._trace), "w")


def test_pickle_that_calls_anything_is_refused_and_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = _zip(tmp_path, pickle.dumps({"weight": _Malicious(trace)}))
    with pytest.raises(CheckpointError, match=r"io\.open"):
        read_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize("wanted", ["builtins eval", "os system", "torch _load", "torch._utils _rebuild_tensor"])
def test_pickle_may_only_name_tensors(tmp_path: Path, wanted: str) -> None:
    module, name = wanted.split()
    path = _zip(tmp_path, f"c{module}\n{name}\n.".encode())
    with pytest.raises(CheckpointError, match=f"{module}.{name}"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (3, 2), (2, 1)),
        (2, (3,), (1,)),
        (0, (2,), (9,)),
        (0, (2,), (-1,)),
        (-1, (2,), (1,)),
        (0, (2, 2), (1,)),
    ],
)
def test_tensor_that_reaches_outside_its_storage_is_refused(
    tmp_path: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    with pytest.raises(CheckpointError):
        read_checkpoint(_one_tensor(tmp_path, offset, shape, strides))


def test_transposed_tensor_is_read_by_its_strides(tmp_path: Path) -> None:
    tensors = read_checkpoint(_one_tensor(tmp_path, 0, (2, 2), (1, 2)))
    np.testing.assert_array_equal(tensors["weight"], [[0, 2], [1, 3]])


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
@pytest.mark.parametrize("part", [0, 0.00005, 0.1, 0.5, 0.999])
def test_truncated_file_is_refused(tmp_path: Path, file: str, part: float) -> None:
    content = (TINY / file).read_bytes()
    (tmp_path / file).write_bytes(content[: int(len(content) * part)])
    with pytest.raises(CheckpointError, match=file):
        read_checkpoint(tmp_path / file)


@pytest.mark.parametrize("position", [0.2, 0.5, 0.8])
def test_altered_byte_in_a_zip_is_noticed(tmp_path: Path, position: float) -> None:
    content = bytearray((TINY / "pytorch_model.bin").read_bytes())
    content[int(len(content) * position)] ^= 0xFF
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "pytorch_model.bin")


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
def test_altered_bytes_are_read_or_refused_and_nothing_else(tmp_path: Path, file: str) -> None:
    content = (TINY / file).read_bytes()
    chance = random.Random(12345)
    for _ in range(400):
        altered = bytearray(content)
        # Names, lengths and offsets lie at both ends.
        position = chance.choice([chance.randrange(6000), -1 - chance.randrange(6000)])
        altered[position] = chance.randrange(256)
        (tmp_path / file).write_bytes(altered)
        with contextlib.suppress(CheckpointError):
            read_checkpoint(tmp_path / file)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 8000]},
        {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]},
        {"dtype": "F8", "shape": [2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2]},
        "F32",
    ],
)
def test_safetensors_header_that_does_not_fit_its_bytes_is_refused(tmp_path: Path, entry: object) -> None:
    path = _safetensors(tmp_path, {"weight": entry}, bytes(8))
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


def test_bfloat16_is_widened(tmp_path: Path) -> None:
    # 1.0 is 0x3F80 and -2.5 is 0xC020: the upper halves of their float32 forms.
    entry = {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    tensors = read_checkpoint(_safetensors(tmp_path, {"weight": entry}, bytes.fromhex("803f20c0")))
    np.testing.assert_array_equal(tensors["weight"], np.array([1.0, -2.5], dtype=np.float32))


def test_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="pytorch_model"):
        read_checkpoint(tmp_path / "pytorch_model.bin")


def _zip(folder: Path, index: bytes, *, storage: bytes = b"") -> Path:
    path = folder / "pytorch_model.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", index)
        archive.writestr("archive/data/0", storage)
    return path


def _one_tensor(folder: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Path:
    """A checkpoint of one tensor over the four floats 0, 1, 2, 3, with the pickle that torch.save writes."""
    storage = b"(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI4\ntQ"
    arguments = b"(" + storage + b"I%d\n" % offset + _numbers(shape) + _numbers(strides) + b"I00\nNt"
    index = b"}S'weight'\nctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"Rs."
    return _zip(folder, index, storage=np.arange(4, dtype="<f4").tobytes())


def _numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(b"I%d\n" % value for value in values) + b"t"


def _safetensors(folder: Path, header: dict[str, object], body: bytes) -> Path:
    text = json.dumps(header).encode()
    path = folder / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path
