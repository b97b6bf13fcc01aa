"""The configuration as a whole: `load` makes it, `settings` describes every key of it.

`sources` reads the values and lets each source override the one before: defaults, config.yml,
environment, command line. The keys are declared here and in `sections`, their rules in `rules`.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from server.config.pipelines import PIPELINES, RETRIES, PipelineEntry
from server.config.rules import (
    Rule,
    computed,
    is_path,
    nullable,
    number,
    rules_of,
    setting,
    settings_of,
    text,
)
from server.config.secret_files import is_secret_file, read_secret_files
from server.config.sections import (
    Cache,
    Compat,
    Files,
    Http,
    Leases,
    Limits,
    Log,
    Mail,
    MongoDB,
    Pool,
    Queue,
    Retention,
    Runner,
    Site,
    Timelapse,
    Tls,
    Uploads,
    Websockets,
)
from server.config.sections.times import DAY_SECONDS
from server.config.sources import gather, not_allowed, variable
from server.config.webhooks import WEBHOOKS, Webhook
from server.core.errors import StartError

FILE_NAME = "config.yml"


DATA = nullable(text("the path of a folder", is_path), "the platform's user data folder")
#: The keys whose values are paths, which may be relative.
PATHS = frozenset({"data", "http.tokens_file", "http.tls.certificate", "http.tls.key"})


def default_data() -> Path:
    """Return the folder where this platform keeps the data of the user's applications."""
    return Path(platformdirs.user_data_path("heliograph", appauthor=False))


class Contradiction(StartError):
    """A value that other values forbid; `source` is where it came from."""

    def __init__(self, key: str, value: object, allowed: str, source: str = "default") -> None:
        super().__init__(not_allowed(key, repr(value), source, allowed))
        self.key, self.value, self.allowed = key, value, allowed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The whole configuration. Making one raises StartError when its parts contradict each other.

    `folder` is that of config.yml, which joins the import path of runs, and `file` its path; None
    without a file.
    """

    http: Http = dataclasses.field(default_factory=Http)
    data: Path = computed(
        default_data, DATA, "folder of all that the server keeps: database, files, lock"
    )
    mongodb: MongoDB = dataclasses.field(default_factory=MongoDB)
    files: Files = dataclasses.field(default_factory=Files)
    uploads: Uploads = dataclasses.field(default_factory=Uploads)
    pool: Pool = dataclasses.field(default_factory=Pool)
    runner: Runner = dataclasses.field(default_factory=Runner)
    queue: Queue = dataclasses.field(default_factory=Queue)
    shutdown_seconds: float = setting(
        10.0, number(0, DAY_SECONDS), "time that runs get to finish when the server is stopped"
    )
    retries: int = setting(1, RETRIES, "new attempts after the server that ran it was lost")
    retries_on_failure: int = setting(0, RETRIES, "new attempts after the run itself failed")
    pipelines: Mapping[str, PipelineEntry] = computed(
        dict, PIPELINES, "pipelines of your own, by the names that people see"
    )
    timelapse: Timelapse = dataclasses.field(default_factory=Timelapse)
    compat: Compat = dataclasses.field(default_factory=Compat)
    limits: Limits = dataclasses.field(default_factory=Limits)
    log: Log = dataclasses.field(default_factory=Log)
    leases: Leases = dataclasses.field(default_factory=Leases)
    websockets: Websockets = dataclasses.field(default_factory=Websockets)
    cache: Cache = dataclasses.field(default_factory=Cache)
    retention: Retention = dataclasses.field(default_factory=Retention)
    webhooks: tuple[Webhook, ...] = computed(
        tuple, WEBHOOKS, "URLs that are called when processes move on"
    )
    mail: Mail = dataclasses.field(default_factory=Mail)
    site: Site = dataclasses.field(default_factory=Site)
    folder: Path | None = None
    file: Path | None = dataclasses.field(default=None, compare=False)

    def __post_init__(self) -> None:
        _check_tls(self.http.tls)
        _check_mail(self.mail)
        _check_site(self.site)
        _check_runner(self.runner, self.leases, self.pipelines)
        if self.leases.lease_seconds <= 2 * self.leases.heartbeat_seconds:
            raise Contradiction(
                "leases.lease_seconds",
                self.leases.lease_seconds,
                f"more than twice leases.heartbeat_seconds ({self.leases.heartbeat_seconds:g})",
            )
        self._check_writable("limits.writable", self.limits)
        for name, entry in self.pipelines.items():
            if entry.limits.get("writable"):
                self._check_writable(f"pipelines.{name}.limits.writable", self.limits_of(name))

    def _check_writable(self, key: str, limits: Limits) -> None:
        """Raise Contradiction if runs could write to the data folder, or replace it."""
        data = self.data.expanduser().resolve()
        for written in limits.writable or ():
            folder = Path(written).expanduser().resolve()
            if folder.is_relative_to(data) or data.is_relative_to(folder):
                raise Contradiction(
                    key, written, f"folders apart from the data folder ({self.data})"
                )

    @property
    def storage_url(self) -> str:
        """Return where the files are stored: a URL for fsspec or the path of a folder."""
        return self.files.url or str(self.data / "files")

    def secret_files(self) -> list[Path]:
        """Return the files that may hold secrets: config.yml, and those that keys lead to."""
        keys = [key for key, _ in settings_of(Config) if is_secret_file(key)]
        values = [operator.attrgetter(key)(self) for key in keys]
        found = [Path(value).expanduser().absolute() for value in values if value is not None]
        return found if self.file is None else [self.file, *found]

    @property
    def alone(self) -> bool:
        """Return whether no other server can use the database."""
        return self.mongodb.uri is None

    @property
    def notifies(self) -> bool:
        """Return whether anybody is to be told when processes move on."""
        return bool(self.webhooks) or self.mail.host is not None

    def limits_of(self, pipeline: str) -> Limits:
        """Return the limits on runs of a pipeline, whether or not `pipelines` names it."""
        entry = self.pipelines.get(pipeline)
        return dataclasses.replace(self.limits, **entry.limits) if entry else self.limits

    def runner_of(self, pipeline: str) -> str:
        """Return where the runs of a pipeline have their processes: `local` or `dask`."""
        entry = self.pipelines.get(pipeline)
        return self.runner.type if entry is None or entry.runner is None else entry.runner

    def resources_of(self, pipeline: str) -> Mapping[str, float]:
        """Return what each run of a pipeline needs of a Dask worker, beside a thread."""
        entry = self.pipelines.get(pipeline)
        return {} if entry is None else entry.resources

    def retries_of(self, pipeline: str) -> int:
        """Return how many new attempts a pipeline gets after a lost run."""
        entry = self.pipelines.get(pipeline)
        return self.retries if entry is None or entry.retries is None else entry.retries

    def retries_on_failure_of(self, pipeline: str) -> int:
        """Return how many new attempts a pipeline gets after a failed run."""
        entry = self.pipelines.get(pipeline)
        if entry is None or entry.retries_on_failure is None:
            return self.retries_on_failure
        return entry.retries_on_failure


def _check_tls(tls: Tls) -> None:
    for given, missing in (("certificate", "key"), ("key", "certificate")):
        path = getattr(tls, given)
        if path is not None and getattr(tls, missing) is None:
            raise Contradiction(
                f"http.tls.{given}",
                str(path),
                f"a file together with one in http.tls.{missing}, which has none",
            )


def _check_site(site: Site) -> None:
    """Raise Contradiction where only half of a place is given."""
    for missing, other in (("longitude", "latitude"), ("latitude", "longitude")):
        if getattr(site, missing) is None and getattr(site, other) is not None:
            allowed = f"a number of degrees, as there is a site.{other}"
            raise Contradiction(f"site.{missing}", None, allowed)


def _check_mail(mail: Mail) -> None:
    """Raise Contradiction when mails could not be sent, or a password would be sent openly."""
    if mail.host is None:
        return
    if mail.sender is None:
        raise Contradiction("mail.sender", None, "a mail address, as there is a mail.host")
    if not mail.recipients:
        raise Contradiction("mail.recipients", [], "mail addresses, as there is a mail.host")
    if mail.user is not None and mail.security == "none":
        raise Contradiction("mail.security", "none", "starttls or tls, as there is a mail.user")


def _check_runner(runner: Runner, leases: Leases, pipelines: Mapping[str, PipelineEntry]) -> None:
    """Raise Contradiction when a Dask cluster is wanted, but not with all that it takes."""
    if runner.type != "dask":
        for name, entry in pipelines.items():
            if entry.runner == "dask":
                allowed = (
                    f"dask, as the pipeline {name} is bound to it (others can be bound to local)"
                )
                raise Contradiction("runner.type", runner.type, allowed)
        return
    if runner.address is None:
        raise Contradiction("runner.address", None, "the scheduler's, as runner.type is dask")
    if runner.security.partly_given:
        raise Contradiction(
            "runner.security.key", runner.security.key, "a file, as are ca and certificate, or none"
        )
    if runner.address.startswith("tls:") != runner.security.given:
        raise Contradiction(
            "runner.address",
            runner.address,
            "a tls:// address with the three files of runner.security, a tcp:// address without",
        )
    if runner.silence_seconds > leases.lease_seconds / 2:
        raise Contradiction(
            "runner.silence_seconds",
            runner.silence_seconds,
            f"at most half of leases.lease_seconds ({leases.lease_seconds:g})",
        )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach the address; of names, `localhost` alone counts."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Setting(NamedTuple):
    """One key, in words: for the documentation and the tests that compare it with the code."""

    key: str
    variable: str
    default: object  #: as config.yml would give it
    default_text: str
    allowed: str
    meaning: str


def settings() -> list[Setting]:
    """Return every key of the configuration, in the order of the sections."""
    return [_describe(key, field) for key, field in settings_of(Config)]


def _describe(key: str, field: dataclasses.Field[Any]) -> Setting:
    rule: Rule = field.metadata["rule"]
    make: Any = field.default_factory
    made = None if key == "data" else make()  # the platform's folder differs between users
    default = list(made) if isinstance(made, tuple) else made
    meaning = field.metadata["meaning"]
    return Setting(key, variable(key), default, rule.show(made), rule.allowed, meaning)


def find_file() -> Path | None:
    """Return the config.yml of the working directory, None when there is none."""
    path = Path(FILE_NAME)
    return path if path.exists() else None


def load(path: Path | None, environ: Mapping[str, str], options: Mapping[str, object]) -> Config:
    """Make the configuration of these sources; `options` are those of the command line.

    A relative path in the file starts at its folder, elsewhere at the working directory. Raise
    StartError that names each bad key, its value, where that is from, and what is allowed.
    """
    given = gather(path, environ, options, rules_of(Config))
    folder = path.absolute().parent if path else None
    read_secret_files(given, rules_of(Config), folder)
    values = {key: each.value for key, each in given.items()}
    for key in PATHS:
        if (written := values.pop(key, None)) is not None:
            start = folder if folder and given[key].source == str(path) else Path.cwd()
            values[key] = start / Path(written).expanduser()
    try:
        return Config(folder=folder, file=path and path.absolute(), **_nested(values))
    except Contradiction as error:
        origin = given.get(error.key) or given.get(error.key.partition(".")[0])
        source = "default" if origin is None else origin.source
        raise Contradiction(error.key, error.value, error.allowed, source) from None


def _nested(values: Mapping[str, Any], kind: type[Any] = Config) -> dict[str, Any]:
    """Return the arguments of a section: keys with a dot go into the sections inside it."""
    made: dict[str, Any] = {key: value for key, value in values.items() if "." not in key}
    for field in dataclasses.fields(kind):
        start = f"{field.name}."
        inner = {key.removeprefix(start): values[key] for key in values if key.startswith(start)}
        if inner:
            section: Any = field.default_factory
            made[field.name] = section(**_nested(inner, section))
    return made
