"""Hostile pipelines against a real server: what they must not get, and what has to go on working.

The server has no privileges, as root may read any process's memory. Of its pipelines, `Free` is not
confined, and `Confined` is, where the kernel has Landlock.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.confinement import landlock
from runners.confinement.landlock import LandlockError
from runners.synthetic import synthesise_series
from tests.acceptance.conftest import ServerProcess
from tests.fakes.folders import living_contents
from tests.integration.conftest import Client
from tests.integration.scripts import Scripts

ROOT = Path(__file__).parent.parent.parent
try:
    ABI, WHY_NOT = landlock.version(), ""
except LandlockError as error:
    ABI, WHY_NOT = 0, str(error)
PRIVILEGED = os.geteuid() == 0
pytestmark = [
    pytest.mark.gen_test(timeout=50),
    pytest.mark.timeout(100),
    pytest.mark.skipif(sys.platform != "linux", reason="these are features of Linux"),
    pytest.mark.skipif(
        PRIVILEGED and not shutil.which("setpriv"),
        reason="root needs setpriv to give up its rights",
    ),
]
confined = pytest.mark.skipif(not ABI, reason=WHY_NOT or "Landlock is there")
SECRET = "hush-hush-hush"
CONFIG = f"""
# {SECRET}
pipelines:
  Free: scripted.Scripted
  Confined: {{class: scripted.Scripted, limits: {{writable: []}}}}
  Listed: {{class: scripted.Scripted, limits: {{writable: [FOLDER/results]}}}}
  Named: {{class: scripted.Scripted, limits: {{environment: [PATH, OBSERVATORY_API_KEY]}}}}
  Importer: {{class: importer.Importer, limits: {{writable: []}}}}
  Timelapse: {{class: runners.timelapse.Timelapse, limits: {{writable: []}}}}
  Dummy: {{class: runners.dummy.Dummy, limits: {{writable: []}}}}
"""
IMPORTER = """
open(__file__ + ".written", "w")
from runners import PipelineProcess
class Importer(PipelineProcess):
    short_name = "importer"
"""
#: Says what became of each deed: `denied`, and by which error, or `done`.
ATTEMPTS = """
import errno, json, os, socket, subprocess, sys, ctypes, time, traceback
from pathlib import Path
server, data, folder = {server}, Path({data!r}), Path({folder!r})
became = {{}}
for deed, code in {deeds!r}.items():
    try:
        exec(code, dict(locals()))
        became[deed] = "done"
    except OSError as error:
        became[deed] = f"denied {{errno.errorcode[error.errno]}}"
    except (EOFError, subprocess.CalledProcessError):
        became[deed] = "denied"
    except Exception:
        became[deed] = traceback.format_exc()
    os.chdir(tmpdir)
self.log("became " + json.dumps(became))
"""


@dataclasses.dataclass(frozen=True)
class Observatory:
    """A server, its folders, and its pipelines that do as they are told."""

    server: ServerProcess
    folder: Path
    scripts: Scripts

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def client(self) -> Client:
        """A client of the server."""
        return self.scripts.client

    async def attempts(self, deeds: dict[str, str], pipeline: str = "Confined") -> dict[str, str]:
        """Return what becomes of each deed that a run attempts."""
        script = ATTEMPTS.format(
            server=self.server.process.pid,
            data=str(self.data),
            folder=str(self.folder),
            deeds={deed: code.strip() for deed, code in deeds.items()},
        )
        record = await self.scripts.run(script, pipeline)
        assert record["state"] == "succeeded", await self.scripts.texts(record["pk"])
        became: dict[str, str] = json.loads(await self.scripts.said(record["pk"], "became"))
        return became

    async def attempt(self, deed: str, pipeline: str = "Confined") -> str:
        """Return what becomes of one deed."""
        return (await self.attempts({"it": deed}, pipeline))["it"]


def unprivileged(command: list[str]) -> list[str]:
    """Return the command that runs another one as an ordinary user may."""
    if not PRIVILEGED:
        return command
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", *command]


@pytest.fixture(scope="module")
def observatory() -> Iterator[Observatory]:
    """Yield a server, whose folder is not in the temporary one."""
    with tempfile.TemporaryDirectory(prefix="heliograph-", dir="/var/tmp") as made:
        folder = Path(made).resolve()
        (folder / "code").mkdir()
        (folder / "results").mkdir()
        config = folder / "code" / "config.yml"
        config.write_text(CONFIG.replace("FOLDER", str(folder)))
        (folder / "code" / "importer.py").write_text(IMPORTER)
        shutil.copy(ROOT / "tests" / "samples" / "scripted.py", folder / "code")
        command = [sys.executable, "-m", "server", "--port", "0", "--config", str(config)]
        process = subprocess.Popen(
            unprivileged([*command, "--data", str(folder / "data")]),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ
            | {"HELIOGRAPH_TEST_SECRET": SECRET, "OBSERVATORY_API_KEY": SECRET, "HARMLESS": "1"},
        )
        server = ServerProcess(process)
        try:
            yield Observatory(server, folder, Scripts(server.client()))
        finally:
            server.end()
            server.close()


#: What no pipeline may do, confined or not.
NEVER = {
    "read the server's environment": "Path(f'/proc/{server}/environ').read_bytes()",
    "read the server's memory": "open(f'/proc/{server}/mem', 'rb')",
    "read where the server's memory is": "Path(f'/proc/{server}/maps').read_bytes()",
    "look at the server's open files": "os.readlink(f'/proc/{server}/fd/0')",
    "take one of the server's open files": """
handle = os.pidfd_open(server)
libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(438, handle, 5, 0) < 0:
    raise OSError(ctypes.get_errno(), "")""",
    "trace the server": """
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, server, 0, 0) != 0:
    raise OSError(ctypes.get_errno(), "")""",
}
#: What one may do that is not confined.
READING = {
    "list the data folder": "os.listdir(data)",
    "read the database": "(data / 'database' / 'heliograph.db').open('rb')",
    "read the server's id": "(data / 'server-id').read_text()",
    "read where the server is": "(data / 'address').read_text()",
    "read the configuration": "(folder / 'code' / 'config.yml').read_text()",
}
#: What no pipeline may do that is confined.
NEVER_CONFINED = READING | {
    "list the database": "os.listdir(data / 'database')",
    "change the database": "(data / 'database' / 'heliograph.db').open('r+b')",
    "read by another path": "(data / '..' / 'data' / 'server-id').read_text()",
    "read by a link": """
os.symlink(data / 'server-id', 'symbolic')
open('symbolic').read()""",
    "read by a program": "subprocess.run(['cat', str(data / 'server-id')], check=True)",
    "read by a hard link": "os.link(data / 'server-id', 'link')",
    "change its stored input": """
stored = self.input_files.first().data.source.stored
assert open(stored).read() == 'x'
open(stored, 'r+')""",
    "remove its stored input": "os.unlink(self.input_files.first().data.source.stored)",
    "change the code of pipelines": "(folder / 'code' / 'scripted.py').open('a')",
    "make a file beside the data folder": "(folder / 'new').touch()",
    "make a file in the data folder": "(data / 'new').touch()",
    "take the place of the database's socket": """
engine = socket.socket(socket.AF_UNIX)
(data / 'database' / 'engine.sock').unlink()""",
    "take the place of what starts runs": """
from multiprocessing import forkserver
os.unlink(forkserver._forkserver._forkserver_address)""",
    "move a file out of reach": "os.rename(folder / 'code' / 'scripted.py', tmpdir / 'mine')",
    "write to the home": "(Path.home() / 'heliograph-test').write_text('x')",
    "write where another pipeline may": "(folder / 'results' / 'x').touch()",
}


@pytest.mark.parametrize("pipeline", ["Free", pytest.param("Confined", marks=confined)])
async def test_no_pipeline_reaches_the_server(observatory: Observatory, pipeline: str) -> None:
    became = await observatory.attempts(NEVER, pipeline)
    assert became.keys() == NEVER.keys()
    assert {
        deed: said for deed, said in became.items() if said not in ("denied EPERM", "denied EACCES")
    } == {}


@confined
async def test_no_confined_pipeline_leaves_its_bounds(observatory: Observatory) -> None:
    became = await observatory.attempts(NEVER_CONFINED)
    assert became.keys() == NEVER_CONFINED.keys()
    denied = ("denied", "denied EPERM", "denied EACCES", "denied EXDEV")
    assert {deed: said for deed, said in became.items() if said not in denied} == {}
    # All of it is there to be had.
    assert (await observatory.attempts(READING, "Free")) == dict.fromkeys(READING, "done")


@pytest.mark.skipif(ABI < landlock.SCOPES_ABI, reason=f"Landlock {ABI} lets signals pass")
async def test_no_confined_pipeline_can_send_the_server_a_signal(observatory: Observatory) -> None:
    assert await observatory.attempt("os.kill(server, 0)", "Free") == "done"
    assert await observatory.attempt("os.kill(server, 9)") == "denied EPERM"
    assert await observatory.attempt("os.kill(os.getppid(), 9)") == "denied EPERM"


@confined
async def test_no_confined_pipeline_reaches_another_run(observatory: Observatory) -> None:
    other = await observatory.scripts.submit("""
        import os, time
        (tmpdir / "note").write_text("mine")
        print("run", os.getpid(), tmpdir)
        while not (tmpdir / "end").exists():
            time.sleep(0.01)
        """, "Free")  # fmt: skip
    pid, folder = (await observatory.scripts.said(other, "run")).split()
    deeds = {
        "read": f"(Path({folder!r}) / 'note').read_text()",
        "write": f"(Path({folder!r}) / 'end').touch()",
        "environment": f"Path('/proc/{pid}/environ').read_bytes()",
        "folder": f"os.listdir('/proc/{pid}/cwd')",
    }
    became = await observatory.attempts(deeds)
    assert set(became.values()) <= {"denied EACCES", "denied EPERM"}, became
    assert await observatory.attempt(f"(Path({folder!r}) / 'end').touch()", "Free") == "done"
    assert (await observatory.client.ended(other))["state"] == "succeeded"


@confined
async def test_no_confined_pipeline_reads_the_input_of_another_run(
    observatory: Observatory,
) -> None:
    target = await observatory.client.make_target("Other")
    await observatory.client.upload(target, ("other.fits", b"not yours"))
    files = living_contents(observatory.data / "files")
    [stored] = [path for path, content in files if content == b"not yours"]
    assert await observatory.attempt(f"open({str(stored)!r})") == "denied EACCES"


@confined
@pytest.mark.parametrize(
    "making", ["outputs = [data / 'server-id']", "os.symlink(data / 'server-id', 'x.txt')"]
)
async def test_the_server_publishes_nothing_that_a_confined_run_could_not_read(
    observatory: Observatory, making: str
) -> None:
    head = f"import os; from pathlib import Path; data = Path({str(observatory.data)!r})"
    outputs = "" if making.startswith("outputs") else "; outputs = [tmpdir / 'x.txt']"
    record = await observatory.scripts.run(f"{head}; {making}{outputs}", "Confined")
    assert record["state"] == "failed"
    assert record["failure_message"].endswith("is not in a folder that the run may write to")
    assert record["outputs"] == []


#: A message to the database as its client sends it, which the engine would answer.
TALK = """
engine = socket.socket(socket.AF_UNIX)
os.chdir(data / 'database')
engine.settimeout(10)
engine.connect('engine.sock')
engine.sendall(bytes.fromhex('3a000000010000000000000dd4070000000000006164'))
engine.sendall(b'min.$cmd')
if not engine.recv(1):
    raise EOFError
"""


@pytest.mark.parametrize("pipeline", ["Free", pytest.param("Confined", marks=confined)])
async def test_the_database_hangs_up_on_a_pipeline(observatory: Observatory, pipeline: str) -> None:
    assert (observatory.data / "database" / "engine.sock").is_socket()
    said = await observatory.attempt(TALK, pipeline)
    assert said in ("denied", "denied EPIPE", "denied ECONNRESET")
    assert await observatory.server.said("which is not the server, was refused")


#: What the server sends to have a process started, but from a run.
FORK = """
from multiprocessing import forkserver, reduction
address = forkserver._forkserver._forkserver_address
template = socket.socket(socket.AF_UNIX)
template.settimeout(10)
template.connect(address)
heard, say = os.pipe()
order, orders = os.pipe()
reduction.sendfds(template, [order, say, order, say])
os.close(say)
os.close(order)
if not os.read(heard, 8):
    raise EOFError
"""


@pytest.mark.parametrize("pipeline", ["Free", pytest.param("Confined", marks=confined)])
async def test_no_pipeline_has_a_process_started_that_is_confined_to_nothing(
    observatory: Observatory, pipeline: str
) -> None:
    said = await observatory.attempt(FORK, pipeline)
    assert said in ("denied", "denied EPIPE", "denied ECONNRESET")
    assert (await observatory.scripts.run("pass", "Free"))[
        "state"
    ] == "succeeded"  # it starts others


@confined
async def test_what_is_done_at_import_is_confined_also_to_describe_a_class(
    observatory: Observatory,
) -> None:
    listed = (await observatory.client.call("/api/pipelines/"))["pipelines"]
    [importer] = [each for each in listed if each["name"] == "Importer"]
    assert "Permission denied" in importer["error"]
    assert not (observatory.folder / "code" / "importer.py.written").exists()


@confined
async def test_a_listed_folder_can_be_written_to(observatory: Observatory) -> None:
    body = "(folder / 'results' / 'made').write_text('x')"
    assert await observatory.attempt(body, "Listed") == "done"
    assert (observatory.folder / "results" / "made").read_text() == "x"


async def test_runs_get_no_secret_of_the_environment(observatory: Observatory) -> None:
    script = """
        import os
        from pathlib import Path
        given = Path("/proc/self/environ").read_text() + str(dict(os.environ))
        parent = Path(f"/proc/{os.getppid()}/environ").read_text()
        print("secret", "hush-hush" in given + parent)
        print("harmless", os.environ.get("HARMLESS"))
        print("initial", "HARMLESS" in given.partition("{")[0])
        print("names", *sorted(set(os.environ) - {"LC_CTYPE"}))
        """
    record = await observatory.scripts.run(script, "Free")
    assert await observatory.scripts.said(record["pk"], "secret") == "False"
    assert await observatory.scripts.said(record["pk"], "harmless") == "1"
    record = await observatory.scripts.run(script, "Named")
    own = {"PIPELINE_MESSAGES", "PIPELINE_PROCESS", "PYTHONUNBUFFERED"}
    assert await observatory.scripts.said(record["pk"], "initial") == "False"
    names = (await observatory.scripts.said(record["pk"], "names")).split()
    assert set(names) == {"PATH", "OBSERVATORY_API_KEY"} | own


async def test_the_receipt_says_what_is_in_force(observatory: Observatory) -> None:
    receipts = {}
    for pipeline in ("Free", "Confined", "Named"):
        record = await observatory.scripts.run("pass", pipeline)
        answer = await observatory.client.call(f"/api/processes/{record['pk']}/receipt/")
        receipts[pipeline] = answer["isolation"]
    assert receipts["Free"]["landlock"] is None
    assert receipts["Free"]["reason"] == "limits.writable is not set"
    assert receipts["Free"]["environment"] is receipts["Free"]["writable"] is None
    assert "OBSERVATORY_API_KEY" in receipts["Free"]["withheld"]
    assert receipts["Confined"]["landlock"] == (ABI or None)
    assert receipts["Confined"]["reason"] == (WHY_NOT or None)
    assert receipts["Confined"]["writable"] == []
    assert receipts["Named"]["environment"] == ["PATH", "OBSERVATORY_API_KEY"]
    assert SECRET not in str(receipts)


#: What pipelines have to be able to do though they are confined.
ALLOWED = {
    "processes of a pool": """
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(2) as pool:
    assert sum(pool.map(abs, range(-3, 0))) == 6""",
    "all start methods": """
import multiprocessing
for method in ("fork", "spawn", "forkserver"):
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.map(abs, [-3]) == [3], method""",
    "a manager and shared memory": """
import multiprocessing
from multiprocessing import shared_memory
with multiprocessing.Manager() as manager:
    assert manager.list([1])[0] == 1
memory = shared_memory.SharedMemory(create=True, size=10)
memory.close()
memory.unlink()""",
    "programs": """
found = subprocess.run(["sh", "-c", "echo x > made; cat made; : > /dev/null"], capture_output=True)
assert found.stdout == b'x\\n', found""",
    "a pseudo terminal": "import pty; pty.openpty()",
    "temporary files": "import tempfile; tempfile.NamedTemporaryFile().write(b'x')",
    "its own threads' names": "Path('/proc/self/comm').write_text('mine')",
    "folders of its own": f"""
(tmpdir / 'a' / 'b').mkdir(parents=True)
(tmpdir / 'a' / 'b' / 'x').write_text('x')
if {ABI} > 1:
    os.rename(tmpdir / 'a' / 'b' / 'x', tmpdir / 'x')""",
    "caches of libraries": """
for variable in ("XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"):
    cache = Path(os.environ[variable]) / "library"
    cache.mkdir(parents=True)
    (cache / "x").write_text("x")
import astropy.config
assert Path(astropy.config.get_cache_dir()).is_dir()""",
    "its inputs": """
data = self.input_files.first().data
assert data.read() == b'x' == Path(data.path).read_bytes()
Path(data.path).write_text('changed')""",
    "the rest of the machine": "Path('/etc/passwd').read_text(); os.listdir('/usr')",
}


async def test_what_pipelines_do_in_their_bounds_goes_on(observatory: Observatory) -> None:
    assert await observatory.attempts(ALLOWED) == dict.fromkeys(ALLOWED, "done")


@pytest.fixture
def frames(tmp_path: Path) -> list[tuple[str, bytes]]:
    """Return the names and contents of a few frames."""
    return [(path.name, path.read_bytes()) for path in synthesise_series(tmp_path, 3)]


@pytest.mark.parametrize("pipeline", ["Timelapse", "Dummy"])
async def test_built_in_pipelines_run_confined(
    observatory: Observatory, frames: list[tuple[str, bytes]], pipeline: str
) -> None:
    client = observatory.client
    target = await client.make_target("Film")
    products = await client.upload(target, *frames)
    record = await client.ended((await client.submit(pipeline, target, products))["pk"])
    lines = [line[3] for line in await client.lines(record["pk"])]
    assert record["state"] == "succeeded", (record["failure_message"], lines)
    assert record["outputs"]
    receipt = await client.call(f"/api/processes/{record['pk']}/receipt/")
    assert receipt["isolation"]["landlock"] == (ABI or None)
