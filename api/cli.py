"""The command ``zhida``."""

import sys

import typer
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from api.commands import (
    audit,
    backup,
    bench,
    calendar,
    clock,
    definitions,
    entry_files,
    gaps,
    index,
    model_files,
    organisation,
    public,
    ranker,
    report,
    rulebook,
    serving,
    setup,
    simulate,
    test,
    tokens,
    users,
    worker,
)
from api.database_faults import in_words, reason_of
from models.errors import ZhidaError
from retrieval.array_file import Damaged
from retrieval.model_files import ModelError
from retrieval.store import Busy

app = typer.Typer(
    help="直答 Zhida：12345 热线知识库。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(serving.serve)
app.command()(worker.worker)
app.command()(setup.setup)
app.command()(organisation.organisation)
app.command("import")(entry_files.import_files)
app.command("export")(entry_files.export_file)
app.command("template")(entry_files.write_template)
app.command()(backup.backup)
app.add_typer(users.commands, name="user")
app.add_typer(tokens.commands, name="token")
app.add_typer(worker.commands, name="delivery")
app.add_typer(model_files.commands, name="model")
app.add_typer(index.commands, name="index")
app.add_typer(clock.commands, name="clock")
app.add_typer(calendar.commands, name="calendar")
app.add_typer(rulebook.commands, name="rulebook")
app.add_typer(audit.commands, name="audit")
app.add_typer(definitions.commands, name="definitions")
app.add_typer(public.commands, name="public")
app.add_typer(gaps.commands, name="gaps")
app.add_typer(test.commands, name="test")
app.add_typer(ranker.commands, name="ranker")
app.command()(ranker.learn)
app.command()(report.report)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)(
    bench.bench
)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)(
    simulate.simulate
)


def main() -> None:
    """Run the command that was typed. What a person should read is printed without a traceback."""
    try:
        app()
    except (ZhidaError, ModelError, Damaged, Busy) as error:
        typer.echo(f"{error}", err=True)
        sys.exit(1)
    except ValidationError as error:
        for fault in error.errors():
            name = "_".join(map(str, fault["loc"])).upper()
            typer.echo(f"环境变量 ZHIDA_{name} 的值“{fault['input']}”不能用，可用的值见 docs/settings.md。", err=True)
        sys.exit(1)
    except SQLAlchemyError as error:
        told = in_words(error) or "数据库不能完成这次操作，没有写入。"
        typer.echo(f"{told}（{reason_of(error)}）", err=True)
        sys.exit(1)
    except OSError as error:
        place = f" {error.filename} " if error.filename else ""
        typer.echo(f"不能读写{place}（{error.strerror or error}）。请检查路径、权限和磁盘空间。", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
