"""zhida bench …: measurements, which live beside the program and are not installed with it."""

import sys
from importlib import import_module
from pathlib import Path

import typer

import api
from models.errors import Unavailable

CHECKOUT = Path(api.__file__).resolve().parent.parent


def bench(context: typer.Context) -> None:
    """测评：质量、速度、与同类比较。用 zhida bench --help 查看全部。"""
    if not (CHECKOUT / "benchmarks" / "cli.py").is_file():
        raise Unavailable("测评程序不随安装包提供，请在源代码目录中运行。")
    sys.path.append(str(CHECKOUT))
    import_module("benchmarks.cli").app(args=context.args, prog_name="zhida bench")
