"""zhida definitions …: what every figure means, from the files that the program computes by."""

import typer

from api.commands.console import say
from kb_admin.definitions import Definition, all_definitions, definition

commands = typer.Typer(help="指标定义：每个数怎样算出来。", no_args_is_help=True)


@commands.command("list")
def list_() -> None:
    """全部指标的代号和名称。"""
    for one in all_definitions().values():
        say(f"{one.name}\t{one.title}")


@commands.command("show")
def show(
    name: str = typer.Argument("", metavar="代号", help="只看一个；不写时全部，可直接存为 Markdown。"),
) -> None:
    """指标的定义：分子、分母、不计什么、依据。"""
    wanted = [definition(name)] if name else list(all_definitions().values())
    say("\n\n".join(map(markdown, wanted)))


def markdown(one: Definition) -> str:
    """The definition as a section of a document."""
    lines = [f"### {one.title} `{one.name}`", ""]
    lines.append(f"- {'分子' if one.denominator else '计什么'}：{one.numerator}")
    lines += [f"- 分母：{one.denominator}"] if one.denominator else []
    lines += [
        f"- 不计：{'；'.join(one.exclusions)}",
        f"- 单位：{one.unit.label}；时间：{one.timing.label}",
        f"- 依据：{one.source}。{one.why}。",
    ]
    return "\n".join(lines)
