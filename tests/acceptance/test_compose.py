"""`deploy/compose.yml`: whatever it names exists, and the servers accept what they are given."""

from __future__ import annotations

import copy
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.config import Config, load, settings
from server.core.errors import StartError

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yml"
IMAGE = "heliograph-cluster"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
SECRETS = {"tokens", "s3_credentials", "s3_server"}
Compose = dict[str, Any]


def compose() -> Compose:
    found: Compose = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return found


def servers(given: Compose) -> dict[str, Any]:
    """Return the services that are servers of Heliograph: those with the image's own program."""
    return {
        name: service
        for name, service in given["services"].items()
        if service.get("image") == IMAGE and "entrypoint" not in service
    }


def mounts(service: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for each in service.get("volumes", []):
        source, target = each.split(":")[:2]
        yield source, target


def configuration(given: Compose, name: str, secrets: Path) -> Config:
    """Return what a server makes of its variables and of the file that is mounted for it."""
    service = given["services"][name]
    [folder] = [source for source, target in mounts(service) if target == "/pipelines"]
    variables = {
        variable: value.replace("/run/secrets", str(secrets))
        for variable, value in service["environment"].items()
        if variable.startswith("HELIOGRAPH_")
    }
    image = {"HELIOGRAPH_HTTP_HOST": "0.0.0.0", "HELIOGRAPH_DATA": "/data"}
    return load(DEPLOY / folder / "config.yml", image | variables, {})


def problems(given: Compose, secrets: Path) -> list[str]:
    """Return what does not fit in a compose file."""
    found: list[str] = []
    for check in (
        unknown_references,
        unready_dependencies,
        unknown_variables,
        reachable_secrets,
        unfit_database,
        unfit_ends,
    ):
        found += check(given)
    for name in servers(given):
        try:
            found += unfit_server(given, name, configuration(given, name, secrets))
        except StartError as error:
            found.append(f"{name}: {error}")
    return found


def unknown_references(given: Compose) -> Iterator[str]:
    """Find networks, volumes, secrets and files that are not there, and any that nobody uses."""
    used: dict[str, set[str]] = {"networks": set(), "volumes": set(), "secrets": set()}
    for name, service in given["services"].items():
        used["networks"] |= set(service.get("networks", []))
        used["secrets"] |= set(service.get("secrets", []))
        for source, _ in mounts(service):
            if not source.startswith("."):
                used["volumes"].add(source)
            elif not (DEPLOY / source).exists():
                yield f"{name}: there is no {source}"
        if "networks" not in service:
            yield f"{name} is in the default network"
        if (build := service.get("build")) and not (DEPLOY / ".." / build["dockerfile"]).exists():
            yield f"{name}: there is no {build['dockerfile']}"
    for kind, names in used.items():
        for name in names ^ set(given[kind]):
            yield f"{kind}: {name} is used or declared, and not both"
    if set(given["secrets"]) != SECRETS:
        yield "not the secrets that make_secrets.py makes"


def unready_dependencies(given: Compose) -> Iterator[str]:
    """Find what is waited for that is not there, cannot be healthy, or never ends."""
    services = given["services"]
    for name, service in services.items():
        waited = service.get("depends_on", {})
        conditions = waited.items() if isinstance(waited, dict) else [(each, {}) for each in waited]
        for other, how in conditions:
            condition = how.get("condition", "service_started")
            if other not in services:
                yield f"{name}: there is no {other}"
            elif condition == "service_healthy" and not has_health_check(services[other]):
                yield f"{name}: {other} has no health check"
            elif condition == "service_completed_successfully" and (
                services[other].get("restart") in ("always", "unless-stopped")
            ):
                yield f"{name}: {other} never ends"
        if (
            service.get("image") == IMAGE
            and "entrypoint" in service
            and "healthcheck" not in service
        ):
            yield f"{name} is asked by the image's health check, and is no server"


def has_health_check(service: dict[str, Any]) -> bool:
    check = service.get("healthcheck", {})
    return not check.get("disable") and (
        "test" in check or (service.get("image") == IMAGE and "entrypoint" not in service)
    )


def unknown_variables(given: Compose) -> Iterator[str]:
    known = {each.variable for each in settings()}
    for name, service in given["services"].items():
        for variable, value in service.get("environment", {}).items():
            if variable.startswith("HELIOGRAPH_") and variable not in known:
                yield f"{name}: {variable} is no key of the configuration"
            if (secret := re.fullmatch(r"/run/secrets/(\w+)", str(value))) and (
                secret[1] not in service.get("secrets", [])
            ):
                yield f"{name}: {secret[1]} is not among its secrets"


def reachable_secrets(given: Compose) -> Iterator[str]:
    """Find what runs of pipelines could reach, and what is published beyond this machine."""
    services = given["services"]
    workers = [each for each in services.values() if "worker" in each.get("entrypoint", [])]
    if not workers:
        yield "there are no workers"
    for worker in workers:
        if worker["networks"] != ["work"] or worker.get("secrets"):
            yield "workers reach more than the cluster"
    for network in ("work", "storage"):
        if not given["networks"][network].get("internal"):
            yield f"{network} can be reached from elsewhere"
    for name, service in services.items():
        if any(not port.startswith("127.0.0.1:") for port in service.get("ports", [])):
            yield f"{name} is published beyond this machine"
        if name.startswith(("mongo-", "s3")) and service["networks"] != ["storage"]:
            yield f"{name} is in a network of others"


def unfit_database(given: Compose) -> Iterator[str]:
    """Find members of the replica set that the services, the URI and the script do not share."""
    members = {
        name: service
        for name, service in given["services"].items()
        if "mongod" in service.get("command", [])
    }
    script = (DEPLOY / "compose" / "replica-set.js").read_text(encoding="utf-8")
    [name] = re.findall(r'_id: "(\w+)"', script)
    made = set(re.findall(r'"(mongo-\d)"', script))
    if made != set(members) or len(made) != 3:
        yield "the replica set has other members"
    for member, service in members.items():
        command = service["command"]
        if command[command.index("--replSet") + 1] != name:
            yield f"{member} is in another replica set"
    for server, service in servers(given).items():
        uri = f"mongodb://{','.join(sorted(members))}/?replicaSet={name}"
        if service["environment"].get("HELIOGRAPH_MONGODB_URI") != uri:
            yield f"{server} has another database"


def unfit_ends(given: Compose) -> Iterator[str]:
    """Find addresses of the proxy and of S3 that lead nowhere."""
    services = given["services"]
    text = (DEPLOY / "compose" / "nginx.conf").read_text(encoding="utf-8")
    if set(re.findall(r"^ *server ([\w-]+):8642 ", text, re.MULTILINE)) != set(servers(given)):
        yield "the proxy has other servers"
    [listened] = re.findall(r"listen (\d+);", text)
    if [port.split(":")[-1] for port in services["front"]["ports"]] != [listened]:
        yield "the proxy listens on another port"
    for name, server in servers(given).items():
        scheme, host, port = server["environment"]["AWS_ENDPOINT_URL"].split(":")
        if f"-s3.port={port}" not in services.get(host[2:], {}).get("command", []):
            yield f"{name}: {scheme} of S3 leads nowhere"


def unfit_server(given: Compose, name: str, config: Config) -> Iterator[str]:
    """Find what does not fit between a server's configuration and the other services."""
    service = given["services"][name]
    if config.http.port != 8642 or config.http.host != "0.0.0.0":
        yield f"{name} listens elsewhere"
    [network] = given["networks"]["front"]["ipam"]["config"]
    if [str(each) for each in config.http.trusted_proxies] != [network["subnet"]]:
        yield f"{name} trusts another proxy"
    command = given["services"]["scheduler"]["entrypoint"]
    port = command[command.index("--port") + 1]
    address = f"tcp://scheduler:{port}"
    if (config.runner.type, config.runner.address) != ("dask", address):
        yield f"{name} has another scheduler"
    if address not in given["services"]["worker"]["entrypoint"]:
        yield "the worker has another scheduler"
    if config.runner.contact != name or not config.runner.listen_port:
        yield f"{name} is not where workers are told that it is"
    if int(service["stop_grace_period"].removesuffix("s")) < config.shutdown_seconds + 20:
        yield f"{name} is killed while it stops"
    if [source for source, target in mounts(service) if target == "/data"] != [name]:
        yield f"{name} has no data folder of its own"
    pipelines = [source for source, target in mounts(service) if target == "/pipelines"]
    if pipelines != [each for each, _ in mounts(given["services"]["worker"])]:
        yield f"{name} has other pipelines than the workers"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the secrets as the documentation says, and return their folder."""
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    run(sys.executable, "-I", str(DEPLOY / "compose" / "make_secrets.py"), str(folder))
    return folder


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_compose_file_is_one_by_the_specification() -> None:
    pytest.importorskip("check_jsonschema")
    schema = ("--builtin-schema", "vendor.compose-spec")
    run(sys.executable, "-m", "check_jsonschema", *schema, str(COMPOSE))


def test_what_the_compose_file_names_exists_and_fits(secrets: Path) -> None:
    assert len(servers(compose())) == 3
    assert problems(compose(), secrets) == []


def _server(given: Compose) -> Any:
    return given["services"]["heliograph-2"]


#: What can go wrong in the file, and a word of what is found then.
MISTAKES: dict[str, tuple[Callable[[Compose], Any], str]] = {
    "a variable with a typo": (
        lambda it: _server(it)["environment"].update(HELIOGRAPH_RUNNER_CONTACTS="a"),
        "HELIOGRAPH_RUNNER_CONTACTS is no key",
    ),
    "a value that is not allowed": (
        lambda it: _server(it)["environment"].update(HELIOGRAPH_POOL_WORKERS="none"),
        "pool.workers",
    ),
    "another server's host": (
        lambda it: _server(it)["environment"].update(HELIOGRAPH_RUNNER_CONTACT="heliograph-1"),
        "not where workers",
    ),
    "another server's folder": (
        lambda it: _server(it)["volumes"].__setitem__(0, "heliograph-1:/data"),
        "no data folder of its own",
    ),
    "a volume that is not declared": (lambda it: it["volumes"].pop("mongo-2"), "volumes: mongo-2"),
    "a volume that nobody uses": (lambda it: it["volumes"].update(more=None), "volumes: more"),
    "a file that is missing": (
        lambda it: it["services"]["front"].update(volumes=["./compose/proxy.conf:/a:ro"]),
        "there is no ./compose/proxy.conf",
    ),
    "a secret that is not given": (lambda it: _server(it).update(secrets=["tokens"]), "s3_cred"),
    "a dependency without a health check": (
        lambda it: it["services"]["s3"].pop("healthcheck"),
        "s3 has no health check",
    ),
    "a dependency that never ends": (
        lambda it: it["services"]["replica-set"].update(restart="always"),
        "replica-set never ends",
    ),
    "a worker that is asked for a server": (
        lambda it: it["services"]["worker"].pop("healthcheck"),
        "worker is asked",
    ),
    "workers near the database": (
        lambda it: it["services"]["worker"]["networks"].append("storage"),
        "workers reach more",
    ),
    "a database for everybody": (
        lambda it: it["services"]["mongo-1"].update(ports=["27017:27017"]),
        "mongo-1 is published",
    ),
    "a network for everybody": (
        lambda it: it["networks"]["storage"].update(internal=False),
        "storage can be reached",
    ),
    "a member too few": (lambda it: it["services"].pop("mongo-3"), "other members"),
    "another replica set": (
        lambda it: it["services"]["mongo-1"].update(command=["mongod", "--replSet", "other"]),
        "another replica set",
    ),
    "another port of S3": (
        lambda it: _server(it)["environment"].update(AWS_ENDPOINT_URL="http://s3:9000"),
        "S3 leads nowhere",
    ),
    "another port of the scheduler": (
        lambda it: it["services"]["scheduler"].update(entrypoint=["dask", "--port", "8787"]),
        "another scheduler",
    ),
    "a network that is not trusted": (
        lambda it: it["networks"]["front"]["ipam"].update(config=[{"subnet": "10.1.0.0/24"}]),
        "trusts another proxy",
    ),
    "a port that nobody listens on": (
        lambda it: it["services"]["front"].update(ports=["127.0.0.1:8642:80"]),
        "listens on another port",
    ),
    "too little time to stop": (
        lambda it: _server(it).update(stop_grace_period="10s"),
        "killed while it stops",
    ),
    "a server that the proxy does not know": (
        lambda it: it["services"].update({"heliograph-4": copy.deepcopy(_server(it))}),
        "the proxy has other servers",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_compose_file_is_found(mistake: str, secrets: Path) -> None:
    make, said = MISTAKES[mistake]
    wrong = copy.deepcopy(compose())
    make(wrong)
    assert [each for each in problems(wrong, secrets) if said in each]


def test_secrets_are_made_once_and_are_their_owners(secrets: Path) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    assert set(before) == SECRETS
    assert run(sys.executable, str(DEPLOY / "compose" / "make_secrets.py"), str(secrets)) == ""
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    assert secrets.stat().st_mode & 0o777 == 0o700
    key = re.search(r"aws_secret_access_key = (\S+)", before["s3_credentials"])
    assert key is not None
    assert key[1] in before["s3_server"]


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    site = (DEPLOY / "compose" / "nginx.conf").read_text(encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The names of the servers are known in their network only.
    site = re.sub(r"server heliograph-\d", "server 127.0.0.1", site)
    site = site.replace("listen 8642", f"listen 127.0.0.1:{port}")
    content = (
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{site}}}"
    )
    (tmp_path / "nginx.conf").write_text(content)
    assert NGINX is not None
    assert "successful" in run(NGINX, "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"))


@pytest.mark.slow
@pytest.mark.parametrize("service", ["scheduler", "worker"])
def test_dask_has_the_options_of_its_services(service: str) -> None:
    pytest.importorskip("distributed")
    program, command, *options = compose()["services"][service]["entrypoint"]
    offered = run(sys.executable, "-m", program, command, "--help")
    for option in (each for each in options if each.startswith("--")):
        assert re.search(rf"{option}\b", offered), option
