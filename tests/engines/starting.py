"""Other databases that speak MongoDB's protocol, fetched into a temporary folder and started.

They are programs of their own: nothing of them is imported, and Heliograph depends on none.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

START_SECONDS, STOP_SECONDS, FETCH_SECONDS = 60.0, 20.0, 300.0
#: GPL-2.0: run in an environment of its own.
SECANTUS = "SecantusDB==0.7.0b3"
JAVA_SOURCES = Path(__file__).with_name("mongo_java_server")


class NotAtHand(Exception):
    """An engine cannot be run here; the message says why."""


@contextlib.contextmanager
def secantus(folder: Path) -> Iterator[str]:
    """Run SecantusDB, a replica set of one with change streams; yield the URI."""
    fetch_secantus(folder)
    port = _free_port()
    with start_secantus(folder, folder / "data", "127.0.0.1", port) as engine:
        try:
            _wait_for(port, engine, folder / "log")
            yield f"mongodb://127.0.0.1:{port}/"
        finally:
            _end(engine)


def fetch_secantus(folder: Path) -> None:
    """Install SecantusDB into this folder."""
    if not (folder / "venv/bin/secantusd-py").exists():
        venv.create(folder / "venv", with_pip=True)
        _fetch([str(folder / "venv/bin/python"), "-m", "pip", "install", "-q", SECANTUS])


def start_secantus(
    folder: Path, data: Path, host: str, port: int, prefix: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start SecantusDB, installed in a folder, on data in another; it may not listen yet."""
    where = ["--host", host, "--port", str(port), "--storage-path", str(data)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [*prefix, str(folder / "venv/bin/secantusd-py"), *where],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


@contextlib.contextmanager
def mongo_java_server(folder: Path) -> Iterator[str]:
    """Run mongo-java-server, in memory and no replica set; yield the URI."""
    for program in ("mvn", "javac", "java"):
        if shutil.which(program) is None:
            raise NotAtHand(f"there is no {program} here")
    jars, classes = folder / "lib", folder / "classes"
    pom = str(JAVA_SOURCES / "pom.xml")
    copy = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
    _fetch(["mvn", "-q", "-B", "-f", pom, copy, f"-DoutputDirectory={jars}"])
    source = str(JAVA_SOURCES / "Engine.java")
    _fetch(["javac", "-cp", f"{jars}/*", "-d", str(classes), source])
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            ["java", "-Xmx1g", "-cp", f"{classes}:{jars}/*", "Engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        ) as engine,
    ):
        try:
            assert engine.stdout is not None
            port = engine.stdout.readline().split()[-1:]
            if not port:
                raise NotAtHand(f"it ended at once: {_tail(folder / 'log')}")
            yield f"mongodb://127.0.0.1:{int(port[0])}/"
        finally:
            _end(engine)


#: By the name on the command line, which is also that of `known_faults`.
ENGINES: dict[str, Callable[[Path], contextlib.AbstractContextManager[str]]] = {
    "secantus": secantus,
    "mongo-java-server": mongo_java_server,
}


def _fetch(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotAtHand(f"{Path(command[0]).name} took longer than {FETCH_SECONDS:g} s") from error
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()[-3:]
        raise NotAtHand(f"{Path(command[0]).name} failed: {' '.join(said)}")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _wait_for(port: int, engine: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while engine.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise NotAtHand(f"it does not listen: {_tail(log)}")


def _tail(log: Path) -> str:
    return " ".join(log.read_text("utf-8", "replace").splitlines()[-3:])


def _end(engine: subprocess.Popen[bytes]) -> None:
    """End an engine: by the end of its input if it has one, else by a signal."""
    if engine.stdin is not None:
        engine.stdin.close()
    else:
        engine.terminate()
    try:
        engine.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        print("An engine did not end when asked to, and is killed", file=sys.stderr)
        engine.kill()
