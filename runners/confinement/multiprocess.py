"""How multiprocessing starts the template of runs: its environment, and whom it is reached by.

There are no settings for that, so functions of multiprocessing are replaced, in the server alone.
"""

from __future__ import annotations

import errno
import logging
import multiprocessing.process
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver, reduction, util
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from runners.confinement.peers import peer_pid

log = logging.getLogger(__name__)

#: How multiprocessing starts programs, and sends descriptors, unless it is changed here.
spawn_as_before = util.spawnv_passfds
send_as_before = reduction.sendfds
#: A name as those of multiprocessing's sockets, and how long the path of one may be on any system.
LISTENER = "listener-xxxxxxxx"
SOCKET_PATH_BYTES = 103


def start_programs_with(environment: Mapping[str, str]) -> None:
    """Have multiprocessing start the template, and what cleans up, with this environment.

    It has no setting for that, and the server's own must stay: storage may need secrets in it.
    """

    def spawn(path: bytes, arguments: Sequence[str], descriptors: Sequence[int]) -> int:
        *options, code = arguments
        if options[-1:] != ["-c"]:  # a child of the start method `spawn`
            return spawn_as_before(path, arguments, descriptors)
        # In place of PYTHONPATH, which the environment may lack.
        code = f"import sys; sys.path[:] = {sys.path!r}; {code}"
        started = subprocess.Popen(
            [*options, code],
            executable=path,
            pass_fds=descriptors,
            env=environment,
            restore_signals=False,
        )
        started.returncode = 0  # multiprocessing waits for its end
        return started.pid

    vars(util)["spawnv_passfds"] = spawn


def speak_to_nobody_else() -> None:
    """Have multiprocessing send nothing to a socket that has taken the place of the template's.

    What listens there was made by this process, and the system says so.
    """
    send: Any = send_as_before

    def send_to_template(connection: socket.socket, descriptors: Sequence[int]) -> None:
        if peer_pid(connection) not in (os.getpid(), None):
            raise ConnectionRefusedError(
                errno.ECONNREFUSED,
                "Another process listens in place of the template",
            )
        send(connection, descriptors)

    vars(reduction)["sendfds"] = send_to_template


def keep_socket_in(folder: Path) -> None:
    """Have multiprocessing make its sockets in a folder, which loses the earlier ones."""
    if len(str(folder / LISTENER).encode()) > SOCKET_PATH_BYTES:
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    for earlier in folder.iterdir():
        earlier.unlink()
    vars(multiprocessing.process.current_process())["_config"]["tempdir"] = str(folder)


def with_template(work: Callable[[], None]) -> None:
    """Do work that starts the template if there is none.

    multiprocessing takes it to be there for as long as it cannot ask after it: for ever, once its
    descriptor has been closed, or its exit status taken, by anybody else in this process.
    """
    try:
        work()
    except OSError as error:
        if error.errno not in (errno.EBADF, errno.ECHILD):
            raise
        log.warning(
            "The process that starts the runs is lost: %s", error, extra={"action": "template_lost"}
        )
        _forget_template()
        work()


def _forget_template() -> None:
    """Let the next start make another template. The old one, if it is there, ends by itself."""
    known: Any = forkserver
    with known._forkserver._lock:
        known._forkserver._forkserver_pid = None
        known._forkserver._forkserver_address = None
        known._forkserver._forkserver_alive_fd = None


def start_child(process: ForkServerProcess) -> None:
    """Start a child for which only its `Run` waits.

    At each start multiprocessing also asks after all earlier children, by descriptors that the
    event loop may close at that moment, and the system may have given to another pipe since: then
    this thread would read from that one, for ever.
    """
    with_template(process.start)
    vars(multiprocessing.process)["_children"].discard(process)
