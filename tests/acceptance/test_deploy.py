"""`deploy/`: what is in it fits the program, and is what the tools of each platform accept."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from server.__main__ import parser
from server.config import settings
from tests.acceptance.conftest import Servers

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "heliograph.service"
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
HEALTHCHECK = ROOT / "deploy" / "healthcheck.py"
PROGRAM = "/opt/heliograph/bin/heliograph"
#: What systemd-analyze makes of the unit: tenths of its exposure, of 100.
EXPOSURE = 20
PIPE_SECONDS = 60

#: What a hardened service that has runs must have.
HARDENED = {
    "Type": "notify",
    "NotifyAccess": "main",
    "KillMode": "mixed",
    "OOMPolicy": "continue",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "PrivateTmp": "yes",
    "UMask": "0077",
    "StateDirectory": "heliograph",
    "RestartPreventExitStatus": "2",
}


def lines_of(path: Path, commented: bool = False) -> list[str]:
    """Return the lines that say something; commented ones too, where they are settings."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if commented:
        lines = [re.sub(r"^#(?=[A-Z]\w+=)", "", line) for line in lines]
    return [line for line in lines if line and not line.startswith("#")]


def unit() -> list[tuple[str, str]]:
    """Return the settings of the unit, commented ones too."""
    lines = [line for line in lines_of(UNIT, commented=True) if not line.startswith("[")]
    return [(key, value) for key, _, value in (line.partition("=") for line in lines)]


def test_the_unit_has_what_a_hardened_service_needs() -> None:
    given = dict(unit())
    assert {key: given[key] for key in HARDENED} == HARDENED
    assert int(given["LimitNOFILE"]) >= 65_536
    assert int(given["WatchdogSec"]) > 0
    assert int(given["TimeoutStopSec"]) > 10
    assert given["User"] != "root"
    assert "MemoryDenyWriteExecute" not in given, "pipelines compile while they run"


def test_the_unit_starts_the_program_with_options_that_it_has() -> None:
    program, *options = dict(unit())["ExecStart"].split()
    assert program == PROGRAM
    args = parser().parse_args(options)
    assert args.config.startswith("/etc/heliograph/")
    assert args.data == "/var/lib/heliograph"


def test_every_variable_in_deploy_is_a_key_of_the_configuration() -> None:
    known = {each.variable for each in settings()}
    for path in (UNIT, CONTAINERFILE, ROOT / "docs" / "deployment.md"):
        named = set(re.findall(r"HELIOGRAPH_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8")))
        assert named <= known, path.name


def test_each_credential_is_loaded_and_named_by_a_key() -> None:
    loaded = {value.partition(":")[0] for key, value in unit() if key == "LoadCredential"}
    named = {value.rpartition("%d/")[2] for key, value in unit() if "%d/" in value}
    assert loaded == named == {"tokens", "mongodb-uri"}
    secrets = ("HELIOGRAPH_HTTP_TOKENS=", "HELIOGRAPH_MONGODB_URI=")
    assert not [value for _, value in unit() if value.startswith(secrets)]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_accepts_the_unit_and_finds_it_hardened(tmp_path: Path) -> None:
    copy = tmp_path / "heliograph.service"
    copy.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, sys.executable))
    analyse = ["systemd-analyze", "--man=no"]
    verified = run(*analyse, "verify", str(copy))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    threshold = f"--threshold={EXPOSURE}"
    judged = run(*analyse, "security", "--offline=true", "--no-pager", threshold, str(copy))
    assert judged.returncode == 0, judged.stdout[-2_000:]


def test_the_image_is_small_and_not_run_by_root() -> None:
    content = "\n".join(lines_of(CONTAINERFILE))
    stages = re.findall(r"^FROM (\S+)", content, re.MULTILINE)
    assert len(stages) == 2
    assert all(re.search(r":\d+\.\d+-slim", each) for each in stages), "pinned, and slim"
    final = content[content.rindex("FROM ") :]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", final, re.MULTILINE)
    assert final.index("USER ") > final.rindex("\nRUN "), "nothing is installed by that user"
    for instruction in ("HEALTHCHECK", 'VOLUME ["/data"]', "STOPSIGNAL SIGTERM", "EXPOSE 8642"):
        assert instruction in final
    assert 'ENTRYPOINT ["heliograph"]' in final, "signals reach the server, not a shell"
    assert "ADD " not in content
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", content, re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
    include = re.search(r"include=\[(.*?)\]", (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert include is not None
    assert set(re.findall(r'"(\w+)\*"', include[1])) <= set(" ".join(copied).split())


@pytest.mark.skipif(
    shutil.which("hadolint") is None,
    reason="hadolint (GPL-3.0, so not among the packages of the tests) is not installed",
)
def test_hadolint_finds_nothing_in_the_containerfile() -> None:
    linted = run("hadolint", str(CONTAINERFILE))
    assert (linted.returncode, linted.stdout) == (0, "")


def builder() -> str | None:
    """Return the program that can build images here, None if none can."""
    for name in ("docker", "podman"):
        try:
            if shutil.which(name) and run(name, "info").returncode == 0:
                return name
        except subprocess.TimeoutExpired:
            continue
    return None


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_the_image_is_built_and_answers() -> None:
    build = builder()
    if build is None:
        pytest.skip("neither docker nor podman can build here")
    name = f"heliograph-test-{os.getpid()}"
    built = run(build, "build", "-f", str(CONTAINERFILE), "-t", name, str(ROOT), patience=1_000)
    assert built.returncode == 0, built.stdout[-2_000:] + built.stderr[-2_000:]
    token = "HELIOGRAPH_HTTP_TOKENS=a-secret-of-sixteen-characters"
    started = run(build, "run", "-d", "--init", "--name", name, "-e", token, name)
    try:
        assert started.returncode == 0, started.stderr
        check = (build, "exec", name, "python", "/opt/heliograph/healthcheck.py", "/data")
        while run(*check).returncode:
            state = run(build, "inspect", "-f", "{{.State.Running}}", name)
            assert state.stdout.strip() == "true", run(build, "logs", name).stderr
    finally:
        run(build, "rm", "-f", "-v", name)
        run(build, "rmi", "-f", name)


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_the_health_check_tells_a_server_that_lives_from_none(servers: Servers) -> None:
    command = (sys.executable, "-I", str(HEALTHCHECK), str(servers.data))
    assert run(*command).returncode == 1
    server = servers.start(environment={"HELIOGRAPH_HTTP_PREFIX": "/heliograph"})
    server.client()
    assert run(*command).returncode == 0
    address = (servers.data / "address").read_text()
    server.close()  # by SIGKILL, so that the address stays
    (servers.data / "address").write_text(address)
    gone = run(*command)
    assert gone.returncode == 1
    assert gone.stderr.startswith("The server does not answer: ")


def run(*command: str, patience: float = PIPE_SECONDS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=patience, check=False
    )
