"""zhida simulate …: a city's life on a simulated clock, which lives beside the program and is not installed with it."""

import sys
from importlib import import_module
from pathlib import Path

import typer

import api
from models.errors import Unavailable

CHECKOUT = Path(api.__file__).resolve().parent.parent


def simulate(context: typer.Context) -> None:
    """模拟：在模拟的时钟上过一个城市的日子，再独立重算一遍。用 zhida simulate --help 查看全部。"""
    if not (CHECKOUT / "benchmarks" / "simulation" / "cli.py").is_file():
        raise Unavailable("模拟程序不随安装包提供，请在源代码目录中运行。")
    sys.path.append(str(CHECKOUT))
    import_module("benchmarks.simulation.cli").app(args=context.args, prog_name="zhida simulate")
