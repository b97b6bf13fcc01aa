"""The bounds of a run: its environment, and what it asks of Landlock, with and without a kernel."""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from multiprocessing import reduction
from pathlib import Path
from typing import Any

import pytest

from runners.confinement import confine, environment, landlock, memory, multiprocess
from runners.confinement.confine import Confinement, NotConfined
from runners.confinement.landlock import LandlockError, Right
from runners.confinement.peers import peer_pid

ROOT = Path(__file__).parent.parent.parent.parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="these are features of Linux")
try:
    landlock.version()
    WHY_NOT = ""
except LandlockError as error:
    WHY_NOT = str(error)


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


SECRETS = words("""
    GITHUB_TOKEN my_token SECRET_KEY_BASE client_secret PGPASSWORD MYSQL_PWD PGPASSFILE DB_PASS
    LDAP_PASSWD SSH_PASSPHRASE GOOGLE_APPLICATION_CREDENTIALS CREDENTIALS_DIRECTORY STRIPE_API_KEY
    APIKEY ASTROMETRY_NET_API_KEY TLS_PRIVATE_KEY S3_ACCESS_KEY AWS_PROFILE aws_session_x SENTRY_DSN
    SSH_AUTH_SOCK DOCKER_AUTH_CONFIG NPM_AUTH ERLANG_COOKIE HOST_KEY HOST_KEYS NOTIFY_SOCKET
    AZURE_STORAGE_CONNECTION_STRING
    """)
HARMLESS = words("""
    PATH HOME PWD OLDPWD LANG LC_ALL TZ USER SHELL TERM TMPDIR PYTHONPATH VIRTUAL_ENV XAUTHORITY
    GIT_AUTHOR_NAME KEYBOARD XKB_KEYMAP CONDA_PREFIX OMP_NUM_THREADS LD_LIBRARY_PATH HTTP_PROXY
    GITHUB_ACTIONS SSL_CERT_FILE COMPASS_MODE BYPASS_CHECKS DISPLAY PASSENGER_ROOT
    """)


@pytest.mark.parametrize("name", SECRETS)
def test_a_variable_with_the_name_of_a_secret_is_withheld(name: str) -> None:
    given = {name: "x", "PATH": "/bin"}
    assert environment.inherited(given) == {"PATH": "/bin"}
    assert environment.withheld(given) == [name]


@pytest.mark.parametrize("name", HARMLESS)
def test_other_variables_are_passed_on(name: str) -> None:
    assert environment.inherited({name: "x"}) == {name: "x"}
    assert environment.withheld({name: "x"}) == []


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("DATABASE_URL", "postgres://me:hush@db/x", True),
        ("BROKER", "amqp://:hush@queue", True),
        ("DATABASE_URL", "postgres://me@db/x", False),
        ("DATABASE_URL", "postgres://db:5432/x", False),
        ("PAGE", "http://host:80/@me", False),
        ("https_proxy", "http://me:hush@proxy:3128", False),
        ("TEXT", "a:b@c", False),
    ],
)
def test_a_password_in_a_url_makes_a_secret(name: str, value: str, is_secret: bool) -> None:
    assert environment.is_secret(name, value) is is_secret


def test_no_value_takes_long_to_look_at() -> None:
    assert not environment.is_secret("LONG", "a://" * 100_000 + ":" * 100_000)


def test_variables_of_heliograph_are_neither_passed_on_nor_named() -> None:
    given = {"HELIOGRAPH_HTTP_TOKENS": "x", "HELIOGRAPH_DATA": "/x", "HOME": "/h"}
    assert environment.inherited(given) == {"HOME": "/h"}
    assert environment.of_runs(given, ("HOME", "NOT_SET")) == {"HOME": "/h"}
    assert environment.of_runs(given, ()) == {}


@linux
def test_the_initial_environment_can_be_overwritten_and_is_kept_all_the_same() -> None:
    script = """
        import ctypes, os, subprocess, sys
        from runners.confinement import environment
        os.environ["LATER"] = "2"
        environment.clear_initial()
        assert set(open("/proc/self/environ").read()) <= {chr(0)}
        assert os.environ["EARLY"] == "1" and os.environ["LATER"] == "2"
        libc = ctypes.CDLL(None); libc.getenv.restype = ctypes.c_char_p
        assert libc.getenv(b"EARLY") == b"1" and libc.getenv(b"LATER") == b"2"
        environment.replace({"EARLY": "3"})
        assert libc.getenv(b"LATER") is None
        print(subprocess.run(["/usr/bin/env"], capture_output=True, text=True).stdout, end="")
        """
    assert run_script(script, {"EARLY": "1"}).splitlines()[-1] == "EARLY=3"


def run_script(script: str, given: dict[str, str] | None = None) -> str:
    """Run a script in an interpreter of its own; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={"PYTHONPATH": str(ROOT), **(os.environ if given is None else given)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@linux
def test_the_peer_of_a_socket_is_known() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_pid(ours) == os.getpid()
    assert peer_pid(ours) == -1  # closed


LISTENING = """
import socket, sys
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    print("listening", flush=True)
    sys.stdin.read()
"""


@linux
def test_no_descriptor_is_sent_to_who_listens_in_place_of_the_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reduction, "sendfds", reduction.sendfds)
    multiprocess.speak_to_nobody_else()
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-c", LISTENING, "theirs"]
    pipe = subprocess.PIPE
    environment_ = os.environ | {"PYTHONPATH": str(ROOT)}
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment_) as other,
        socket.socket(socket.AF_UNIX) as client,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == b"listening\n"
        client.connect("theirs")
        with pytest.raises(ConnectionRefusedError, match="in place of the template"):
            reduction.sendfds(client, [0])
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind("ours")
        listener.listen()
        client.connect("ours")
        accepted, _ = listener.accept()
        with accepted:
            reduction.sendfds(client, [0])
            [received] = reduction.recvfds(accepted, 1)
            os.close(received)


@linux
def test_a_hidden_process_starts_programs_that_are_not() -> None:
    script = """
        import ctypes, subprocess
        from runners.confinement import memory
        PR_GET_DUMPABLE = 3
        prctl = ctypes.CDLL(None).prctl
        assert prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1
        assert memory.hide()
        assert prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
        code = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
        import sys
        print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
        """
    assert run_script(script).strip() == "1"


def test_elsewhere_nothing_can_be_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory.hide() is False


class Kernel:
    """Stands in for the system calls: it takes notes, and has the version that it is told."""

    def __init__(self, version: int | OSError, failing: int | None = None) -> None:
        self.version = version
        self.failing = failing
        self.attributes = b""
        self.rules: list[tuple[Right, str]] = []
        self.restricted = False

    def call(self, number: int, *arguments: Any) -> int:
        """Take the part of the three system calls."""
        if number == self.failing:
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
        if number == 444 and arguments[0] is None:
            if isinstance(self.version, OSError):
                raise self.version
            return self.version
        if number == 444:
            self.attributes, size, flags = arguments
            assert len(self.attributes) == size
            assert flags == 0
            return os.open("/", os.O_RDONLY)
        if number == 445:
            rights, target = struct.unpack("=Qi", arguments[2])
            place = Path(f"/proc/self/fd/{target}").readlink()
            self.rules.append((Right(rights), str(place)))
            return 0
        self.restricted = True
        return 0

    @property
    def handled(self) -> Right:
        """The rights that are given up unless a rule grants them."""
        return Right(struct.unpack_from("=Q", self.attributes)[0])


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Kernel]]:
    """Yield what puts a kernel in place; its process is not restricted in truth."""

    class Libc:
        def prctl(self, *arguments: int) -> int:
            return 0

    def install(version: int | OSError, failing: int | None = None) -> Kernel:
        made = Kernel(version, failing)
        landlock._looked_up.cache_clear()
        monkeypatch.setattr(landlock, "_call", made.call)
        monkeypatch.setattr(landlock, "_libc", Libc)
        return made

    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())
    for name in ("TMPDIR", "XDG_CACHE_HOME", *confine.CACHE_VARIABLES):
        monkeypatch.setenv(name, "unset")
        monkeypatch.delenv(name)
    yield install
    landlock._looked_up.cache_clear()


def bounds(tmp_path: Path, writable: list[str] | None = None) -> Confinement:
    """Return a confinement to a run's folder in a data folder that is hidden."""
    own = tmp_path / "data" / "runs" / "1-1"
    (own / "work").mkdir(parents=True)
    return Confinement(
        own=str(own), writable=writable or [], hidden=[os.path.realpath(tmp_path / "data")]
    )


@linux
@pytest.mark.parametrize(
    ("version", "size", "scoped", "without"),
    [
        (1, 8, None, Right.REFER | Right.TRUNCATE | Right.IOCTL_DEV),
        (2, 8, None, Right.TRUNCATE | Right.IOCTL_DEV),
        (3, 8, None, Right.IOCTL_DEV),
        (4, 16, None, Right.IOCTL_DEV),
        (5, 16, None, Right(0)),
        (6, 24, 3, Right(0)),
        (7, 24, 3, Right(0)),
        (12, 24, 3, Right(0)),
    ],
)
def test_each_version_of_landlock_is_asked_for_what_it_knows(
    kernel: Callable[..., Kernel],
    tmp_path: Path,
    version: int,
    size: int,
    scoped: int | None,
    without: Right,
) -> None:
    used = kernel(version)
    force = confine.confine(bounds(tmp_path))
    assert (force.landlock, force.reason) == (version, None)
    assert len(used.attributes) == size
    assert used.handled == ~without & Right((1 << 16) - 2)
    if scoped is not None:
        assert struct.unpack("=3Q", used.attributes)[1:] == (0, scoped)
    assert used.restricted
    assert all(rights & ~used.handled == 0 for rights, _ in used.rules)


@linux
def test_rules_grant_writing_to_the_run_and_what_is_listed_alone(
    kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "results")
    used = kernel(7)
    force = confine.confine(bounds(tmp_path, [str(tmp_path / "link"), "/not/there"]))
    granted = {path for rights, path in used.rules if rights & Right.MAKE_REG}
    own = os.path.realpath(tmp_path / "data" / "runs" / "1-1")
    # The temporary folder holds the data folder here, so that the run has one of its own.
    assert granted == {own, f"{own}/tmp", "/dev/shm", os.path.realpath(tmp_path / "results")}
    assert set(force.writable) == granted | {"/not/there"}


@linux
def test_rules_grant_reading_of_all_but_what_is_hidden(
    kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    given = bounds(tmp_path)
    (tmp_path / "beside").write_text("x")
    (tmp_path / "way_in").symlink_to(tmp_path / "data")
    stored = tmp_path / "data" / "files"
    stored.write_text("x")
    used = kernel(7)
    confine.confine(given, [str(stored), str(tmp_path / "data" / "missing")])
    read = {path for rights, path in used.rules if rights & landlock.READ and path != "/"}
    data = os.path.realpath(tmp_path / "data")
    inside = {path for path in read if confine.is_within(path, data)}
    assert inside == {os.path.realpath(stored), given.own, f"{given.own}/tmp"}
    assert os.path.realpath(tmp_path / "beside") in read
    assert "/usr" in read
    assert not read & {os.path.realpath(each) for each in tmp_path.parents}


@linux
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errno.ENOSYS, "this kernel has no Landlock (Linux 5.13 or newer has it)"),
        (errno.EOPNOTSUPP, "Landlock is switched off in this kernel (boot parameter lsm=)"),
        (errno.EPERM, "this system does not permit Landlock"),
    ],
)
def test_without_landlock_a_run_goes_on_and_the_reason_is_known(
    kernel: Callable[..., Kernel], tmp_path: Path, error: int, reason: str
) -> None:
    used = kernel(OSError(error, os.strerror(error)))
    before = dict(os.environ)
    assert confine.confine(bounds(tmp_path)) == confine.InForce(None, reason)
    assert not used.restricted
    assert dict(os.environ) == before


def test_other_systems_have_no_landlock(
    kernel: Callable[..., Kernel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel(7)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert confine.confine(bounds(tmp_path)).reason == "Landlock is a feature of Linux"


@linux
@pytest.mark.parametrize("failing", [444, 446])
def test_a_run_that_cannot_be_confined_although_there_is_landlock_does_not_go_on(
    kernel: Callable[..., Kernel], tmp_path: Path, failing: int
) -> None:
    kernel(7)
    landlock.version()
    landlock._call.__self__.failing = failing  # type: ignore[attr-defined]
    with pytest.raises(NotConfined, match=r"^The run could not be confined \(limits.writable\): "):
        confine.confine(bounds(tmp_path))


@linux
def test_caches_lead_to_the_run_unless_the_homes_may_be_written_to(
    kernel: Callable[..., Kernel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel(7)
    home = tmp_path / "home"
    (home / ".cache").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    given = bounds(tmp_path, [str(home / ".cache")])
    confine.confine(given)
    assert not {"XDG_CACHE_HOME", *confine.CACHE_VARIABLES} & os.environ.keys()
    confine.confine(Confinement(own=given.own, writable=[], hidden=given.hidden))
    assert os.environ["XDG_CACHE_HOME"] == f"{given.own}/caches"
    assert (Path(os.environ["XDG_CACHE_HOME"]) / "astropy").is_dir()


@linux
@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "Landlock is there")
def test_a_process_is_confined_in_truth_and_so_is_what_it_starts(tmp_path: Path) -> None:
    given = bounds(tmp_path)
    (tmp_path / "data" / "secret").write_text("x")
    script = f"""
        import json, os, subprocess, tempfile
        from runners.confinement.confine import Confinement, confine
        own, hidden = {given.own!r}, {given.hidden!r}
        assert confine(Confinement(own=own, writable=[], hidden=hidden)).landlock
        said = {{}}
        def attempt(name, deed):
            try:
                deed()
                said[name] = True
            except (OSError, subprocess.CalledProcessError):
                said[name] = False
        secret = hidden[0] + "/secret"
        attempt("read", lambda: open(secret))
        attempt("program", lambda: subprocess.run(["cat", secret], check=True))
        attempt("beside", lambda: open({str(tmp_path / "beside")!r}, "w"))
        attempt("own", lambda: open(own + "/work/x", "w"))
        attempt("temporary", lambda: tempfile.TemporaryFile())
        attempt("null", lambda: open("/dev/null", "w"))
        print(json.dumps(said))
        """
    assert json.loads(run_script(script)) == {
        "read": False,
        "program": False,
        "beside": False,
        "own": True,
        "temporary": True,
        "null": True,
    }
    assert (Path(str(given.own)) / "tmp").is_dir()  # as pytest's folder is in the temporary one
