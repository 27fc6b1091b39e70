"""`numebot up`: start Dagster's web server and daemon for daily use."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Annotated, cast

import psutil
import typer

from numebot_dagster.cli import errors, screen, session
from numebot_dagster.cli.practice.folder import not_running, restart_practice
from numebot_dagster.cli.screen import console, say
from numebot_dagster.environment import refuse_hiding_modules, refuse_other_home
from numebot_dagster.lake.layout import Lake
from numebot_dagster.lake.locks import HeldElsewhere, sole
from numebot_dagster.numerai.errors import NumeraiUnavailable
from numebot_dagster.operations.health.doctor import SHORTEST_PASSWORD
from numebot_dagster.operations.health.ownership import claim, refuse_other_endpoint
from numebot_dagster.operations.platform import Platform
from numebot_dagster.reporting.embed import BOARD
from numebot_dagster.settings import Settings, SettingsError, dotenv_lines, load_settings
from numebot_dagster.web.addresses import LOOPBACK, is_loopback, url
from numebot_dagster.web.following import Follower

STOPPING_SECONDS = 15.0
LEFTOVER_SECONDS = 3.0  # for runs that go on when Dagster itself has ended
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
READ_ONLY = "--read-only"  # of the services


def up(
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder with .env, such as that of a demo; by default this one."),
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the web server.")] = 3000,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; any but this machine's own needs a password."),
    ] = LOOPBACK,
    read_only: Annotated[
        bool,
        typer.Option("--read-only", help="Refuse every change through the UI; rounds are played."),
    ] = False,
    without_password: Annotated[
        bool,
        typer.Option(
            "--without-password",
            help="Listen on --host without a log-in, because a proxy before it asks for one.",
        ),
    ] = False,
) -> None:
    """Start the Dagster UI and the daemon that plays every round and collects scores.

    Ctrl-C stops both. In the folder of a demo, its practice tournament is started too. With
    NUMEBOT_UI_PASSWORD set, the UI asks its visitors for it.
    """
    with errors.explained(), ExitStack() as stack:
        settings = _settings_of(folder)
        if not without_password:
            _refuse_open_door(host, port, settings)
        platform = _checked_platform(settings)
        session.prepare_instance(settings)
        stack.enter_context(_alone(settings))
        _refuse_taken(host, port)
        if restart_practice(stack, settings):
            console.print("The practice tournament is running again.")
        elif start := not_running(settings):
            console.print(screen.styled(start, "yellow"), soft_wrap=True)
        with suppress(NumeraiUnavailable):  # each run asks again
            claim(platform)
        _show_start(platform, host, port)
        raise typer.Exit(_serve(host, port, *([READ_ONLY] if read_only else [])))


def _settings_of(folder: Path | None) -> Settings:
    """Return the settings of a folder, which becomes the working directory, or of this one.

    Raises:
        SettingsError: there is no such folder, or a setting is wrong.
    """
    if folder is not None:
        if not folder.is_dir():
            raise SettingsError(f"there is no folder {folder}")
        session.use_only(folder)
    return load_settings()


def _checked_platform(settings: Settings) -> Platform:
    """Return the platform of a folder in which Dagster can run.

    Raises:
        SettingsError: what the folder holds would be hidden from Dagster, or is another's.
        RegistryError: the registry is missing or wrong, as in another folder.
    """
    refuse_hiding_modules(Path.cwd())
    refuse_other_home(str(settings.instance_folder), dotenv_lines(Path.cwd()))
    platform = Platform(settings)
    _ = platform.registry
    refuse_other_endpoint(platform)
    return platform


def _show_start(platform: Platform, host: str, port: int) -> None:
    """Say what is in force, what is missing, and where the UI is."""
    settings = platform.settings
    session.show_in_force(platform)
    if settings.numerai_public_id is None:
        text = "Without a key nothing is submitted and no score is read:"
        console.print(screen.styled(text, "yellow", f" {settings.key_remedy}"), soft_wrap=True)
    say(f"The Dagster UI: {url(host, port)} (Ctrl-C stops it)")
    say(f"The board: {url(host, port)}{BOARD}/")
    _warn_of_visitors(host, settings)


def _refuse_open_door(host: str, port: int, settings: Settings) -> None:
    """Refuse to serve other machines without a password that cannot be guessed.

    Raises:
        SettingsError: no password is set, or a short one.
    """
    if is_loopback(host):
        return
    password = settings.numebot_ui_password
    if password is None:
        raise SettingsError(
            f"without a password, anyone who reaches port {port} of {host} could start runs and "
            "submit with your keys. Set NUMEBOT_UI_PASSWORD in the environment or in .env, or add "
            "--without-password if a proxy before the UI asks for one"
        )
    if len(password.get_secret_value()) < SHORTEST_PASSWORD:
        raise SettingsError(
            f"NUMEBOT_UI_PASSWORD has less than {SHORTEST_PASSWORD} characters, and others could "
            f"guess it on port {port} of {host}. Set a longer one, such as four random words"
        )


def _warn_of_visitors(host: str, settings: Settings) -> None:
    if is_loopback(host):
        return
    if settings.numebot_ui_password is None:
        text = "The UI has no log-in: whoever reaches it can submit with your keys."
        rest = " Let nobody reach it but the proxy that asks for a password."
    else:
        text = "The UI is served over plain HTTP: the password can be read on its way."
        rest = " Over other networks than your own, put a proxy with TLS before it, or use ssh -L."
    console.print(screen.styled(text, "yellow", rest))


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Refuse to run beside another `numebot up` on the data folder: each run would start twice.

    Raises:
        SettingsError: another `numebot up` is running.
    """
    try:
        with sole(Lake(settings.numerai_data_folder).lock_file("up")):
            yield
    except HeldElsewhere as error:
        raise SettingsError(
            f"`numebot up` is already running on {settings.numerai_data_folder} as process "
            f"{error.pid}. Use it, or stop it: kill {error.pid}"
        ) from error


def _serve(host: str, port: int, *options: str) -> int:
    """Run Dagster until it ends or is interrupted, and leave none of its processes behind."""
    _stop_like_ctrl_c(signal.SIGTERM, signal.SIGHUP)
    process = subprocess.Popen(
        [sys.executable, "-m", "numebot_dagster.web.services", host, str(port), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )
    # A thread, because a run that outlives Dagster keeps the pipe open.
    stopping = threading.Event()
    reader = threading.Thread(target=_show, args=[process, stopping], daemon=True)
    reader.start()
    try:
        return process.wait()
    except KeyboardInterrupt:
        stopping.set()
        with suppress(OSError):  # the terminal itself may be gone
            screen.say_on_one_line(
                f"Stopping, within {STOPPING_SECONDS:.0f} s … What was predicted and submitted is "
                "recorded; the next `numebot up` continues from there."
            )
        return 0
    finally:
        _end_group(process)
        reader.join(LEFTOVER_SECONDS)


def _show(process: subprocess.Popen[str], stopping: threading.Event) -> None:
    """Print the output of Dagster until it is stopped: after that it only says so."""
    follower = Follower()
    for line in cast(IO[str], process.stdout):
        _print(() if stopping.is_set() else follower.lines(line))
    _print(() if stopping.is_set() else follower.rest())


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        screen.say_on_one_line(line)


def _end_with_parent() -> None:
    """Let Dagster stop on SIGINT, and get one when this process is killed (Linux)."""
    # A shell without job control starts background jobs with SIGINT ignored, and Dagster's
    # processes stop on nothing else.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _refuse_taken(host: str, port: int) -> None:
    """Refuse a port that is in use: Dagster would run a second daemon and no web server."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"cannot listen on port {port} of {host}: {error.strerror}. If `numebot up` "
                "is not running already, choose another --port"
            ) from error


def _stop_like_ctrl_c(*signals: signal.Signals) -> None:
    """End everything when the terminal is closed too, unless `nohup` ignores that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in signals:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))


def _end_group(process: subprocess.Popen[str]) -> None:
    """Interrupt what is left of Dagster's processes, give it time to end, and kill the rest."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOPPING_SECONDS)
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while _is_at_work(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)


def _is_at_work(group: int) -> bool:
    """Return whether a process of a group is running, other than one that waits to be reaped."""
    for process in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
