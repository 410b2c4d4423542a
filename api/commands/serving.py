"""zhida serve: one process that answers."""

import logging
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Annotated

import typer
import uvicorn

from api.app import create_app
from api.commands.console import require_base, say
from api.demonstration import PASSWORD, Account
from api.settings import Settings
from api.wiring import build
from models.errors import Unavailable

GRACE_SECONDS = 10
"""How long requests under way may take to finish when the service is told to stop."""


def serve(
    host: Annotated[str | None, typer.Option(help="监听的地址，默认取设置 host。")] = None,
    port: Annotated[int | None, typer.Option(help="监听的端口，默认取设置 port；0 为任选一个。")] = None,
) -> None:
    """启动服务。按 Ctrl+C 停止。"""
    settings = Settings()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl+C: systemd and people stop us alike
    require_base(settings)
    with suppress(KeyboardInterrupt), closing(_listen(settings, host, port)) as listener:
        _serve(settings, listener)
    say("服务已停止。")


def _serve(settings: Settings, listener: socket.socket) -> None:
    with closing(build(settings)) as services:
        say("正在载入知识条目……")
        started = time.perf_counter()
        services.follower.catch_up()
        say(f"已载入 {len(services.index)} 条，用时 {time.perf_counter() - started:.1f} 秒。")
        if services.encoder is None:
            say("注意：没有语义模型，仅按词语检索。运行 zhida model fetch m3e-small 获取模型后重新启动。")
        _announce(listener, services.demonstration_accounts)
        config = uvicorn.Config(
            create_app(services),
            log_config=None,
            access_log=False,
            server_header=False,
            forwarded_allow_ips=settings.proxies,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        uvicorn.Server(config).run(sockets=[listener])  # stops in good order, then passes the signal on


def _listen(settings: Settings, host: str | None, port: int | None) -> socket.socket:
    """Taken before anything else, so that a port in use is known at once."""
    host = settings.host if host is None else host
    port = settings.port if port is None else port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise Unavailable(f"不能在 {host} 的 {port} 端口监听：{error}。请用 --port 换一个端口。") from error


def _announce(listener: socket.socket, demonstration_accounts: Sequence[Account]) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    say(f"\n  直答已启动：http://{shown}:{port}\n")
    if demonstration_accounts:
        say(f"  演示环境，各账号密码均为 {PASSWORD}：")
        for account in demonstration_accounts:
            say(f"    {account.login:<10} {account.name}")
        say("")
    say("  按 Ctrl+C 停止。")
