"""``zhida bench …``: the commands behind every figure that the project states."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks import (
    agreement,
    bench_runs,
    crash,
    dashboards,
    freshness,
    grouping,
    http,
    http_client,
    hybrids,
    kill_advance,
    learning,
    quality,
    rights,
    robustness,
    search,
    suite,
    timing,
    vectors,
    words,
    working_time,
)
from benchmarks.datasets import read_corpus, read_queries
from benchmarks.encoders import open_encoder, open_reader
from benchmarks.freshness_plan import Load
from models.errors import Unavailable
from retrieval.embedded import EmbeddedIndex
from retrieval.vector_store import VectorStore

app = typer.Typer(help="测量：质量、速度。每个数字都由这里的命令得出。", no_args_is_help=True)

ALL_CORES = os.cpu_count() or 1

Kb = Annotated[Path, typer.Option("--kb", help="知识库文件 corpus.jsonl", exists=True, dir_okay=False)]
Queries = Annotated[Path, typer.Option("--queries", help="测试问题 queries.jsonl", exists=True, dir_okay=False)]
Out = Annotated[Path, typer.Option("--out", help="结果文件 results.jsonl")]
Model = Annotated[str | None, typer.Option("--model", help="模型名称；none 为不用模型，仅按词语；默认同服务设置")]
Reads = Annotated[bool, typer.Option("--reader/--no-reader", help="是否精读最好的几条")]
Folder = Annotated[Path, typer.Option("--folder", help="测量用的库放在哪里")]
BENCH_FOLDER = Path("var/bench")
Keep = Annotated[bool, typer.Option("--keep", help="测完留下所造的库，供下次再用")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="建库时同时编码的线程数；提问逐条进行，毫秒数才真实")]


@app.command("quality")
def run_quality(  # noqa: PLR0917 - the options of a command
    kb: Kb, queries: Queries, out: Out, model: Model = None, reader: Reads = True, workers: Workers = ALL_CORES
) -> None:
    """在一个独立的库上逐条提问，写出每条结果，最后一行是汇总。"""
    corpus, asked = read_corpus(kb), read_queries(queries)
    encoder = open_encoder(model, threads=workers)
    index = EmbeddedIndex(encoder, reader=open_reader(encoder, wanted=reader))
    _say(f"建库：{len(corpus.documents)} 条")
    seconds = quality.build(index, corpus)
    _say(f"建库用时 {seconds:.1f} 秒；提问 {len(asked)} 条")
    answers, stages = quality.answer_all(index, corpus, asked, _say)
    quality.write_results(out, answers)
    _say("各环节毫秒中位数：" + "，".join(f"{name} {ms:.2f}" for name, ms in stages.items()))
    print(json.dumps(quality.summary(asked, answers), ensure_ascii=False))


@app.command("all")
def run_all(  # noqa: PLR0917 - the options of a command
    data: Annotated[Path, typer.Option(help="开发数据所在文件夹；没有时只测演示库")] = Path("../shared/data"),
    model: Model = None,
    workers: Workers = ALL_CORES,
    reader: Reads = True,
    held: Annotated[bool, typer.Option("--held", help="演示库改用从未用于调试的问题")] = False,
    out: Annotated[Path | None, typer.Option(help="另存为 Markdown")] = None,
) -> None:
    """各数据集与演示库上，与四个基线并排比较（make bench 的第一步）。"""
    encoder = open_encoder(model, threads=workers)
    text = suite.run(data, encoder, open_reader(encoder, wanted=reader), _say, held=held)
    print(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")


@app.command("speed")
def run_speed(  # noqa: PLR0917 - the options of a command
    sizes: Annotated[str, typer.Option(help="条目数，逗号分隔")] = "2000,20000",
    questions: Annotated[int, typer.Option(min=1, help="提问条数")] = 500,
    data: Annotated[Path, typer.Option(help="取真实文本的文件夹")] = Path("../shared/data"),
    model: Model = None,
    reader: Reads = True,
    workers: Workers = ALL_CORES,
) -> None:
    """不同库规模下一次检索各环节的毫秒数。"""
    encoder = open_encoder(model, threads=workers)
    print(
        timing.run(
            [int(size) for size in sizes.split(",")],
            questions,
            data,
            (encoder, open_reader(encoder, wanted=reader)),
            _say,
        )
    )


@app.command("robust")
def run_robust(
    sizes: Annotated[str, typer.Option(help="演示库放大的倍数，逗号分隔；以其他库的条目填充")] = "1,10,100",
    data: Annotated[Path, typer.Option(help="取填充条目的文件夹")] = Path("../shared/data"),
    model: Model = None,
    reader: Reads = True,
    workers: Workers = ALL_CORES,
) -> None:
    """错字、拼音、漏字、各种说法，以及知识库变大，对同样的问题有多大影响。"""
    encoder = open_encoder(model, threads=workers)
    models = (encoder, open_reader(encoder, wanted=reader))
    print(robustness.run(data, models, [int(size) for size in sizes.split(",")], _say))


@app.command("learning")
def run_learning(  # noqa: PLR0917 - the options of a command
    data: Annotated[Path, typer.Option(help="开发数据所在文件夹")] = Path("../shared/data"),
    model: Model = None,
    reader: Reads = True,
    orders: Annotated[int, typer.Option(min=1, help="试几种随机的先后次序")] = 5,
    left_out: Annotated[bool, typer.Option("--left-out/--shipped-only", help="也用未见此库的权重作起点")] = True,
    out: Annotated[Path | None, typer.Option(help="另存为 Markdown")] = None,
) -> None:
    """由使用记录学习有多大好处：拟合权重、加入相似问法，前后比较，也在两成评价有误时；最后一行是 JSON。"""
    encoder = open_encoder(model, threads=1)
    models = (encoder, open_reader(encoder, wanted=reader))
    text, summary = learning.run(data, *models, orders=orders, left_out=left_out, say=_say)
    print(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
    print(learning.printed(summary))


@app.command("tests")
def run_tests(
    entries: Annotated[int, typer.Option(min=100, help="知识库有多少条")] = 50_000,
    questions: Annotated[int, typer.Option(min=1, help="测试集有多少题")] = 2000,
    data: Annotated[Path, typer.Option(help="取真实文本的文件夹")] = Path("../shared/data"),
    folder: Annotated[Path | None, typer.Option(help="库和向量存在哪里，供下次再用；默认用完即删")] = None,
) -> None:
    """一次测试运行要多久：从开始到得出指标，经真实的数据表和运行程序。最后一行是汇总。"""
    print(json.dumps(asdict(bench_runs.run(entries, questions, data, folder, _say)), ensure_ascii=False))


@app.command("clocks")
def run_clocks(
    count: Annotated[int, typer.Option(min=1000, help="每种期限算多少次")] = 1_000_000,
    repeats: Annotated[int, typer.Option(min=1, help="重复几遍，取中位数")] = 5,
) -> None:
    """期限计算的速度：一百万次要几秒。"""
    print(working_time.run(count, repeats))


@app.command("advance-kill")
def run_advance_kill(
    kills: Annotated[int, typer.Option(min=1, help="在每种数据库上终止多少次")] = 200,
    seed: Annotated[int, typer.Option(help="随机数种子")] = 1,
) -> None:
    """两个定时工作进程同时推进，其中一个在中途被强行终止：通知有没有丢失、有没有重发。最后一行是汇总。"""
    outcomes = []
    for name, base in (("SQLite", kill_advance.sqlite_url), ("PostgreSQL", kill_advance.postgresql_url)):
        with base() as url:
            outcomes.append(kill_advance.run(name, url, kills, seed=seed, say=_say))
    print(kill_advance.table(outcomes))
    print(json.dumps(kill_advance.summary(outcomes), ensure_ascii=False))
    if any(outcome.lost or outcome.sent_twice for outcome in outcomes):
        raise typer.Exit(1)


@app.command("crash")
def run_crash(
    kills: Annotated[int, typer.Option(min=1, help="在每种数据库上终止多少次")] = 200,
    gone: Annotated[float | None, typer.Option(help="数据库中断多少秒；默认 30，终止不到 100 次时 5")] = None,
    model: Annotated[str, typer.Option(help="模型名称；none 为不用模型")] = "none",
    only: Annotated[str, typer.Option(help="只测 SQLite 或 PostgreSQL")] = "",
    seed: Annotated[int, typer.Option(help="随机数种子")] = 1,
) -> None:
    """强行终止检索、发布、写索引的进程，磁盘满、文件损坏、数据库中断：之后索引是否仍与数据库一致。最后一行是汇总。"""
    gone = gone if gone is not None else 30.0 if kills >= 100 else 5.0
    outcomes = []
    for name, base in (("SQLite", crash.sqlite), ("PostgreSQL", crash.postgresql)):
        if only in ("", name):
            with base() as kept:
                outcomes.append(crash.run(name, kept, kills, gone, model=model, seed=seed, say=_say))
    print(crash.table(outcomes))
    print(json.dumps(crash.summary(outcomes), ensure_ascii=False))
    if any(outcome.wrong for outcome in outcomes):
        raise typer.Exit(1)


@app.command("rights")
def run_rights(
    worlds: Annotated[int, typer.Option(min=1, help="随机的城市有多少个")] = 100,
    seed: Annotated[int, typer.Option(help="同一个数得到同样的城市")] = 1,
) -> None:
    """随机的城市、人员、条目、共享和规则：判断、数据库过滤、检索过滤和各个出口是否一致，有无泄露；最后一行是汇总。"""
    report = rights.run(worlds, seed, _say)
    print(rights.told(report))
    raise typer.Exit(0 if report.sound else 1)


@app.command("grouping")
def run_grouping(  # noqa: PLR0917 - the options of a command
    data: Annotated[Path, typer.Option(help="同义问句数据所在文件夹")] = Path("../shared/data"),
    most: Annotated[int, typer.Option(min=100, help="每个数据集取多少问句")] = 3000,
    sizes: Annotated[str, typer.Option(help="测速的问句数，逗号分隔")] = "10000,100000",
    fit: Annotated[bool, typer.Option("--fit", help="只打印各阈值在用来选定的数据集上的结果")] = False,
    model: Model = None,
    workers: Workers = ALL_CORES,
) -> None:
    """知识缺失的归组：与基线并排的质量，以及速度；最后一行是汇总。"""
    encoder = open_encoder(model, threads=workers)
    if encoder is None:
        raise Unavailable("归组的测量要用语义模型；仅按字词的结果也在其中。")
    if fit:
        print(grouping.fit(data, encoder, most))
    else:
        print(grouping.run(data, encoder, most, [int(size) for size in sizes.split(",")], _say))


@app.command("dashboards")
def run_dashboards(
    calls: Annotated[int, typer.Option(min=1000, help="一个季度的来电")] = 200_000,
    entries: Annotated[int, typer.Option(min=100, help="条目")] = 50_000,
    seed: Annotated[int, typer.Option(help="同一个数得到同样的库")] = 1,
) -> None:
    """看板的速度：造一个大库，各项指标和整个页面各要几秒；最后一行是汇总。"""
    print(dashboards.told(dashboards.run(calls, entries, seed, _say)))


@app.command("freshness")
def run_freshness(  # noqa: PLR0917 - the options of a command
    size: Annotated[int, typer.Option(min=2000, help="库有多少条目，每条 5 个问法")] = 20_000,
    seconds: Annotated[float, typer.Option(min=5, help="每种情形测多少秒")] = 60.0,
    processes: Annotated[str, typer.Option(help="几个服务进程，逗号分隔")] = "1,4",
    databases: Annotated[str, typer.Option(help="数据库，逗号分隔")] = "sqlite,postgresql",
    publications: Annotated[float, typer.Option(min=1, help="每秒发布多少条")] = 20.0,
    searches: Annotated[float, typer.Option(min=1, help="每秒提问多少次，各进程合计")] = 100.0,
    folder: Folder = BENCH_FOLDER,
    keep: Keep = False,
) -> None:
    """边发布、边提问时，发布的内容多久在每个进程中搜得到，下架的是否再出现；最后一行是汇总。"""
    load = Load(seconds, publications, searches)
    with _place(folder, keep=keep) as place:
        measured = freshness.run(
            size,
            load,
            processes=[int(many) for many in processes.split(",")],
            databases=databases.split(","),
            folder=place,
            tell=_say,
        )
    print(freshness.table(measured))
    print(freshness.summary(size, load, measured))


@app.command("http")
def run_http(  # noqa: PLR0917 - the options of a command
    size: Annotated[int, typer.Option(min=1000, help="库有多少条目，每条 5 个问法")] = 20_000,
    seconds: Annotated[float, typer.Option(min=3, help="平稳时测多少秒")] = 60.0,
    workers: Annotated[int, typer.Option(min=1, help="服务用几个进程")] = 2,
    searches: Annotated[float, typer.Option(min=1, help="每秒提问多少次")] = 50.0,
    suggestions: Annotated[float, typer.Option(min=1, help="每秒要多少次输入提示")] = 200.0,
    folder: Folder = BENCH_FOLDER,
    keep: Keep = False,
) -> None:
    """经 HTTP 使用服务（客户端在同一台机器上）：平稳、逐步加压、过载、恢复；最后一行是汇总。"""
    with _place(folder, keep=keep) as place:
        rates = http_client.Rates(searches, suggestions)
        measured = http.run(size, rates, seconds, workers=workers, folder=place, tell=_say)
    print(http.table(measured))
    print(http.summary(measured))


@app.command("hybrids")
def run_hybrids(  # noqa: PLR0917 - the options of a command
    size: Annotated[int, typer.Option(min=1000, help="库有多少问法，每条目 5 个")] = 100_000,
    questions: Annotated[int, typer.Option(min=10, help="最多问多少题")] = 2000,
    seconds: Annotated[float, typer.Option(min=1, help="其他系统的每种方式最多问多少秒")] = 120.0,
    peers: Annotated[str, typer.Option(help="与哪些系统比较，逗号分隔；默认全部")] = ",".join(hybrids.PEERS),
    folder: Folder = BENCH_FOLDER,
    keep: Keep = False,
) -> None:
    """同样的文本和向量上，与其他完整的混合检索系统比较质量和速度（不含编码）；最后一行是汇总。"""
    with _place(folder, keep=keep) as place:
        task = hybrids.Task(size, questions, seconds, place)
        outcomes = hybrids.run(task, [*hybrids.OURS, *filter(None, peers.split(","))], _say)
    print(hybrids.table(outcomes))
    print(hybrids.summary(task, outcomes))


@app.command("search")
def run_search(  # noqa: PLR0917 - the options of a command
    size: Annotated[str, typer.Option(help="库有多少问法，逗号分隔，每条目 5 个")] = "10000,100000,1000000",
    questions: Annotated[int, typer.Option(min=20, help="每个规模最多问多少题")] = 1000,
    workers: Annotated[int, typer.Option(min=0, help="在最大的库上启动服务，用几个进程；0 为不启动")] = 2,
    plot: Annotated[Path | None, typer.Option(help="把增长曲线画到这个 PNG 文件")] = None,
    folder: Folder = BENCH_FOLDER,
    keep: Keep = False,
) -> None:
    """整次检索随规模的增长（不含编码），服务启动要多久、各进程占多少内存；最后一行是汇总。"""
    with _place(folder, keep=keep) as place:
        timed, started = search.run([int(many) for many in size.split(",")], questions, place, _say, workers=workers)
    print(search.table(timed, started))
    if plot is not None:
        search.growth(timed, plot)
    summary = {"sizes": [asdict(row) for row in timed], "start": asdict(started) if started else None}
    print(json.dumps(summary, ensure_ascii=False))


@app.command("agreement")
def run_agreement(  # noqa: PLR0917 - the options of a command
    size: Annotated[int, typer.Option(min=100, help="库有多少问法，每条目 5 个")] = 100_000,
    questions: Annotated[int, typer.Option(min=10, help="最多问多少题")] = 500,
    url: Annotated[str, typer.Option(help="Milvus 的地址；不写则自行启动 Milvus Lite")] = "",
    data: Annotated[Path, typer.Option(help="取真实文本的文件夹")] = Path("../shared/data"),
    model: Model = None,
    reader: Reads = True,
) -> None:
    """同样的条目分别放在本机索引和 Milvus 里，真实问题的答复有多少相同、为什么不同、各要多久；最后一行是汇总。"""
    encoder = open_encoder(model, threads=1)
    with agreement.remembered(encoder) as memory:
        models = (encoder, memory, open_reader(encoder, wanted=reader))
        agreed = agreement.run(size, questions, data, models, url=url, say=_say)
    print(agreement.table(agreed))
    print(json.dumps(agreement.summary(agreed, size), ensure_ascii=False))


@app.command("words")
def run_words(
    size: Annotated[str, typer.Option(help="问法数，逗号分隔，如 100000,1000000")] = "100000",
    questions: Annotated[int, typer.Option(min=10, help="最多问多少题")] = 500,
    text: Annotated[str, typer.Option(help="real：真实文本；synthetic：按 Zipf 分布造的文本")] = "real",
    peers: Annotated[str, typer.Option(help="与哪些引擎比，逗号分隔")] = ",".join(words.PEERS),
    data: Annotated[Path, typer.Option(help="取真实文本的文件夹")] = Path("../shared/data"),
) -> None:
    """按词语检索前 100 名：与常用引擎在同样的词上并排比较，各用一个线程；最后一行是汇总。"""
    if text not in {"real", "synthetic"}:
        raise typer.BadParameter("只能是 real 或 synthetic。", param_hint="--text")
    wanted, sizes = _peers(peers, words.PEERS), [int(many) for many in size.split(",")]
    table, summary = words.run(sizes, _real(data) if text == "real" else None, questions, wanted, _say)
    print(table)
    print(json.dumps(summary, ensure_ascii=False))


@app.command("vectors")
def run_vectors(  # noqa: PLR0917 - the options of a command
    size: Annotated[str, typer.Option(help="问法数，逗号分隔，如 100000,1000000")] = "100000",
    questions: Annotated[int, typer.Option(min=10, help="最多问多少题")] = 500,
    peers: Annotated[
        str, typer.Option(help=f"与哪些索引比，逗号分隔：{', '.join(vectors.PEERS)}；HNSW 建库很慢")
    ] = ",".join(vectors.QUICK_PEERS),
    data: Annotated[Path, typer.Option(help="取真实文本的文件夹")] = Path("../shared/data"),
    cache: Annotated[Path, typer.Option(help="向量缓存，没有的现算")] = BENCH_FOLDER / "vectors.db",
    model: Model = None,
    workers: Workers = ALL_CORES,
) -> None:
    """按向量检索前 10 名：与常用索引在真实向量上并排比较召回、速度、内存和更新；最后一行是汇总。"""
    encoder = open_encoder(model, threads=workers)
    if encoder is None:
        raise Unavailable("向量的测量要用语义模型，不能用 --model none。")
    wanted, sizes = _peers(peers, vectors.PEERS), [int(many) for many in size.split(",")]
    store = VectorStore(cache, encoder)
    table, summary = vectors.run(sizes, _real(data), store, wanted, _say, questions=questions)
    store.close()
    print(table)
    print(json.dumps(summary, ensure_ascii=False))


def _peers(named: str, known: Sequence[str]) -> list[str]:
    wanted = [name.strip() for name in named.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise typer.BadParameter(f"没有“{name}”，只有：{'、'.join(known)}。", param_hint="--peers")
    return wanted


def _real(data: Path) -> Path:
    if not data.is_dir():
        raise Unavailable(f"没有文件夹 {data}，取不到真实文本；用 --data 指明开发数据在哪里。")
    return data


@contextmanager
def _place(folder: Path, *, keep: bool) -> Iterator[Path]:
    """The folder itself, or one in it that is gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    if keep:
        yield folder
        return
    with TemporaryDirectory(dir=folder) as place:
        yield Path(place)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
