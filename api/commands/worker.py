"""zhida worker: the clock's work in a process of its own; zhida delivery …: what has gone out and what has not."""

import logging
import signal
import threading
from contextlib import ExitStack

import typer

from api.clock import utc_now
from api.commands.console import base_session, engine_of, require_base, say
from api.dates import moment
from api.delivering import Courier, sessions_of, ways_out
from api.learning import Learner
from api.settings import Settings
from api.wiring import words_of
from api.worker import Worker
from kb_admin import deliveries

commands = typer.Typer(help="发往系统之外的消息：接口推送和邮件。", no_args_is_help=True)


def worker() -> None:
    """按时生效、下架、提醒、记超期并发送消息。服务进程已兼做时不必另开；可开多个。按 Ctrl+C 停止。"""
    settings = Settings()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    require_base(settings)
    stop = threading.Event()
    for told in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told, lambda *_: stop.set())
    with engine_of(settings) as engine, ExitStack() as running:
        open_session = sessions_of(engine, settings)
        learner = Learner(open_session, words_of(settings))
        for part in (Worker(open_session), learner, *(Courier(open_session, way) for way in ways_out(settings))):
            part.start()
            running.callback(part.stop)
        say("定时工作已开始。按 Ctrl+C 停止。")
        stop.wait()
    say("定时工作已停止。")


@commands.command("list")
def list_waiting() -> None:
    """列出还没有送达的消息。"""
    with base_session(Settings()) as session:
        unsent = deliveries.waiting(session)
        for delivery in unsent:
            to = delivery.recipient or "推送地址"
            state = f"下次 {moment(delivery.next_at)}" if delivery.next_at else "已停止重试"
            say(f"{delivery.id:>6} {delivery.channel.label} {to} 已试 {delivery.attempts} 次，{state} {delivery.error}")
        say(f"共 {len(unsent)} 条没有送达。")


@commands.command("retry")
def retry() -> None:
    """把停止重试的消息重新发送。"""
    with base_session(Settings()) as session:
        count = deliveries.try_again(session, now=utc_now())
        session.commit()
    say(f"{count} 条消息将重新发送。")
