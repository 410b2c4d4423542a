"""``zhida bench …``: the commands behind every figure that the project states."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import (
    bench_runs,
    dashboards,
    grouping,
    kill_advance,
    learning,
    quality,
    rights,
    robustness,
    suite,
    timing,
    working_time,
)
from benchmarks.datasets import read_corpus, read_queries
from benchmarks.encoders import open_encoder, open_reader
from models.errors import Unavailable
from retrieval.embedded import EmbeddedIndex

app = typer.Typer(help="测量：质量、速度。每个数字都由这里的命令得出。", no_args_is_help=True)

ALL_CORES = os.cpu_count() or 1

Kb = Annotated[Path, typer.Option("--kb", help="知识库文件 corpus.jsonl", exists=True, dir_okay=False)]
Queries = Annotated[Path, typer.Option("--queries", help="测试问题 queries.jsonl", exists=True, dir_okay=False)]
Out = Annotated[Path, typer.Option("--out", help="结果文件 results.jsonl")]
Model = Annotated[str | None, typer.Option("--model", help="模型名称；none 为不用模型，仅按词语；默认同服务设置")]
Reads = Annotated[bool, typer.Option("--reader/--no-reader", help="是否精读最好的几条")]
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


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
