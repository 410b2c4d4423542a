"""zhida model …: the sentence models on this machine."""

from typing import Annotated

import typer

from api.commands.console import say
from api.settings import Settings
from retrieval import model_files
from retrieval.model_files import ModelError

commands = typer.Typer(help="语义模型。", no_args_is_help=True)


@commands.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="m3e-small、bge-small-zh-v1.5，或本机上模型文件夹的路径。")],
) -> None:
    """获取模型：先看离线安装包，再到软件源或模型仓库。已有的不重复获取。"""
    settings = Settings()
    folder = model_files.fetch(name, settings.models_folder, hub=settings.model_hub, bundle=settings.bundle, report=say)
    manifest = model_files.verify(folder)
    say(f"模型 {manifest.name} 已就绪：{folder}")
    say(f"许可：{manifest.licence}。{manifest.licence_notice}")


@commands.command("list")
def list_models() -> None:
    """列出本机的模型。"""
    settings = Settings()
    for folder in sorted(settings.models_folder.glob("*/manifest.json")):
        manifest = model_files.verify(folder.parent)
        used = "（使用中）" if folder.parent.name == settings.model else ""
        say(f"{folder.parent.name:<24} {manifest.dimension} 维  {manifest.licence}{used}")


@commands.command("verify")
def verify() -> None:
    """逐个核对模型文件是否完整。"""
    damaged = 0
    for folder in sorted(path.parent for path in Settings().models_folder.glob("*/manifest.json")):
        try:
            model_files.verify(folder)
            say(f"{folder.name}：完整")
        except ModelError as error:
            damaged += 1
            say(f"{folder.name}：{error}")
    if damaged:
        raise typer.Exit(1)
