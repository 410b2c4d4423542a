"""zhida ranker …: weights of the ranking fitted to the log, compared, promoted and taken back; zhida learn."""

import json
from typing import Annotated

import typer

from api.clock import utc_now
from api.commands.console import base_session, require_base, say
from api.dates import moment
from api.learning import language_of, learn_now
from api.refitting import refit
from api.settings import Settings
from api.wiring import build, words_of
from kb_admin import ranker_fits
from kb_admin.ranker_fits import fit_numbered, state_of

commands = typer.Typer(help="排序权重：按使用记录重新拟合，比较，采用，撤销。", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="编号", help="第几次拟合，见 zhida ranker list。")]


@commands.command("refit")
def run_refit() -> None:
    """按确认过的提问拟合权重，留出较新的一部分检验，保存比较结果；不会自动采用。"""
    settings = Settings()
    require_base(settings)
    services = build(settings)
    try:
        services.follower.catch_up()
        services.weights.look()
        with services.open_session() as session:
            language = language_of(services.tokeniser)
            fit = refit(services.bench, session, language, actor=None, now=utc_now(), tell=say)
            session.commit()
            say(f"第 {fit.id} 次拟合：{fit.comparison['reason']}")
            say(f"可以采用：zhida ranker promote {fit.id}" if fit.comparison["better"] else "不能采用，现行权重不变。")
    finally:
        services.close()


@commands.command("list")
def list_fits() -> None:
    """列出历次拟合和各自的状态。"""
    with base_session(Settings()) as session:
        found = ranker_fits.fits(session)
        for fit in found:
            state = state_of(session, fit).label
            say(f"{fit.id:>4} {moment(fit.made_at)} {fit.weights_name} {state} {fit.comparison['reason']}")
        say(f"共 {len(found)} 次拟合。")


@commands.command("show")
def show(number: Number) -> None:
    """一次拟合的比较结果和权重（JSON）。"""
    with base_session(Settings()) as session:
        fit = fit_numbered(session, number)
        shown = {"comparison": fit.comparison, "weights": fit.weights}
        say(json.dumps(shown, ensure_ascii=False, indent=1))


@commands.command("promote")
def promote(number: Number) -> None:
    """采用一次拟合的权重；留出的检验没有说它更好的，拒绝。"""
    with base_session(Settings()) as session:
        fit = fit_numbered(session, number)
        ranker_fits.promote(session, fit, actor=None, now=utc_now())
        session.commit()
        say(f"已采用第 {fit.id} 次拟合的权重，运行中的服务几秒内生效。{fit.comparison['reason']}")


@commands.command("undo")
def undo(number: Number) -> None:
    """撤销正在使用的权重，一步回到此前的权重。"""
    with base_session(Settings()) as session:
        fit = fit_numbered(session, number)
        former = ranker_fits.undo(session, fit, actor=None, now=utc_now())
        session.commit()
        what = f"第 {former.id} 次拟合的权重" if former else "随产品的权重"
        say(f"已撤销，改用{what}，运行中的服务几秒内生效。")


def learn() -> None:
    """从使用记录中学习：更新相似问法和同义词的建议。服务每天也自动进行一次。"""
    settings = Settings()
    with base_session(settings) as session:
        learnt = learn_now(session, words_of(settings), utc_now())
        session.commit()
    say(f"相似问法建议 {learnt.similar} 条，同义词建议 {learnt.synonyms} 条，撤回不再有依据的 {learnt.withdrawn} 条。")
