"""zhida serve: the service, one process or several."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from types import FrameType
from typing import Annotated

import typer
import uvicorn

from api.app import create_app
from api.commands.console import require_base, say
from api.connections import KEEP_ALIVE_SECONDS, Connection
from api.demonstration import PASSWORD, Account
from api.greeting import greet
from api.logs import write_to_stderr
from api.settings import Settings
from api.supervisor import Supervisor
from api.wiring import Services, build
from models.errors import Invalid, Unavailable
from retrieval import kernels, suggesting

GRACE_SECONDS = 10
"""How long requests under way may take to finish when the service is told to stop."""
BACKLOG = 1024
"""Connections that the system keeps while nobody accepts them; it may allow fewer (net.core.somaxconn)."""

log = logging.getLogger(__name__)


def serve(
    host: Annotated[str | None, typer.Option(help="监听的地址，默认取设置 host。")] = None,
    port: Annotated[int | None, typer.Option(help="监听的端口，默认取设置 port；0 为任选一个。")] = None,
    workers: Annotated[int | None, typer.Option(help="用几个进程答复，默认取设置 workers。", min=1, max=64)] = None,
    check: Annotated[bool, typer.Option(hidden=True)] = False,
    take_over: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """启动服务。按 Ctrl+C 停止；有几个进程时，kill -HUP 换上新的程序、词典和模型而不中断。"""
    settings = Settings()
    if workers is not None:
        settings = settings.model_copy(update={"workers": workers})
    write_to_stderr(settings.log_form)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl+C: systemd and people stop us alike
    if settings.workers > 1:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to be renewed
    require_base(settings)
    if check:
        _check(settings)
        return
    with suppress(KeyboardInterrupt):
        if take_over:
            descriptor, former = _taken_over(take_over)
            with closing(socket.socket(fileno=descriptor)) as listener:
                _serve(settings, listener, former)
        else:
            with closing(_listen(settings, host, port)) as listener:
                _serve(settings, listener, [greet(listener)])
    say("服务已停止。")


def _serve(settings: Settings, listener: socket.socket, former: Sequence[int]) -> None:
    """``former``: processes that answer on the same socket until this service does."""
    with closing(build(settings)) as services:
        _load(services)
        app = create_app(services)

        def answer(ready: Callable[[], None]) -> None:
            config = uvicorn.Config(
                app,
                http=Connection,
                log_config=None,
                access_log=False,
                server_header=False,
                forwarded_allow_ips=settings.proxies,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                backlog=BACKLOG,
            )
            _Server(config, services, ready).run(sockets=[listener])

        if settings.workers == 1:
            services.measures.worker_starts.add("start")
            _relieve(former)
            _announce(listener, services.demonstration_accounts, settings.workers)
            answer(lambda: None)  # stops in good order, then passes the signal on
            return

        def work(_place: int, ready: Callable[[], None]) -> None:
            with closing(services):
                answer(ready)

        services.ready_to_fork()
        services.measures.metrics.take_place(settings.workers)
        grace = settings.drain_seconds + GRACE_SECONDS + 5
        supervisor = Supervisor(work, settings.workers, services.measures, grace_seconds=grace)
        supervisor.run(
            former,
            on_ready=lambda: _announce(listener, services.demonstration_accounts, settings.workers),
            renew=lambda answering: _renew(settings, listener, answering, stopping=lambda: supervisor.stopping),
        )


def _load(services: Services) -> None:
    say("正在载入知识条目……")
    kernels.warm()
    suggesting.warm()
    started = time.perf_counter()
    services.follower.catch_up()
    say(f"已载入 {len(services.index)} 条，用时 {time.perf_counter() - started:.1f} 秒。")
    if services.encoder is None:
        say("注意：没有语义模型，仅按词语检索。运行 zhida model fetch m3e-small 获取模型后重新启动。")


class _Server(uvicorn.Server):
    """Tells when it answers; told to stop, says so for a while before it does."""

    def __init__(self, config: uvicorn.Config, services: Services, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._services = services
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        seconds, state = self._services.settings.drain_seconds, self._services.state
        if state.draining or not seconds:
            state.draining = True
            super().handle_exit(sig, frame)
            return
        state.draining = True
        loop = asyncio.get_event_loop()
        loop.call_soon_threadsafe(loop.call_later, seconds, lambda: super(_Server, self).handle_exit(sig, None))


def _check(settings: Settings) -> None:
    """Everything that the service needs can be had; raises what keeps it from starting."""
    with closing(build(settings)) as services:
        _load(services)
        create_app(services)


def _renew(
    settings: Settings, listener: socket.socket, answering: Sequence[int], *, stopping: Callable[[], bool]
) -> bool:
    """Begin anew in this same process, with the program, dictionary and models as they are now; the workers that answer
    go on until others do. First a child tries whether it can be done at all; False when not, or when the service was
    told to stop meanwhile."""
    program = [sys.executable, "-m", "api.start", "serve", "--workers", str(settings.workers)]
    log.warning("正在换上新的服务……")
    try:
        trial = subprocess.run([*program, "--check"], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    except OSError as error:
        log.error("新的服务不能启动：%s", error)
        return False
    if trial.returncode and not stopping():
        log.error("新的服务不能启动：%s", (trial.stderr or trial.stdout).strip())
    if trial.returncode or stopping():
        return False
    os.set_inheritable(listener.fileno(), True)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # stays so until the new program listens to it
    former = ",".join(map(str, answering))
    sys.stdout.flush()
    return os.execv(sys.executable, [*program, "--take-over", f"{listener.fileno()}:{former}"])  # noqa: S606


def _taken_over(given: str) -> tuple[int, list[int]]:
    descriptor, _, former = given.partition(":")
    if not descriptor.isdecimal():
        raise Invalid("--take-over 由服务自己使用，不必填写。")
    return int(descriptor), [int(each) for each in former.split(",") if each]


def _relieve(former: Sequence[int]) -> None:
    """Who answered until now is told to end, and has ended."""
    for process_id in former:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(process_id, signal.SIGTERM)
            os.waitpid(process_id, 0)


def _listen(settings: Settings, host: str | None, port: int | None) -> socket.socket:
    """Taken before anything else, so that a port in use is known at once."""
    host = settings.host if host is None else host
    port = settings.port if port is None else port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise Unavailable(f"不能在 {host} 的 {port} 端口监听：{error}。请用 --port 换一个端口。") from error


def _announce(listener: socket.socket, demonstration_accounts: Sequence[Account], workers: int) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    say(f"\n  直答已启动：http://{shown}:{port}" + (f"（{workers} 个进程）" if workers > 1 else "") + "\n")
    if demonstration_accounts:
        say(f"  演示环境，各账号密码均为 {PASSWORD}：")
        for account in demonstration_accounts:
            say(f"    {account.login:<10} {account.name}")
        say("")
    say("  按 Ctrl+C 停止。")
