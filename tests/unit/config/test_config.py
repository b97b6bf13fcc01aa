"""The configuration: precedence, every kind of invalid input, and what is never accepted."""

from __future__ import annotations

import dataclasses
import pickle
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from server.config import Config, PipelineEntry, Setting, find_file, is_loopback, load, settings
from server.core.errors import StartError

KEYS = [setting.key for setting in settings()]
TOKEN = "a-secret-of-the-night"


def from_file(folder: Path, written: str | bytes) -> Config:
    """Return the configuration that this config.yml alone makes."""
    path = folder / "config.yml"
    path.write_bytes(written if isinstance(written, bytes) else written.encode())
    return load(path, {}, {})


def refusal(folder: Path, written: str | bytes) -> str:
    """Return the message with which this config.yml stops the start."""
    with pytest.raises(StartError) as caught:
        from_file(folder, written)
    return str(caught.value)


def test_nothing_given_means_the_defaults() -> None:
    config = load(None, {}, {})
    assert config == Config()
    assert (config.http.host, config.http.port) == ("127.0.0.1", 8642)
    assert config.data.is_absolute()
    assert config.folder is None


@pytest.mark.parametrize("written", ["", "\n", "# nothing\n", "---\n", "http:\nlimits: {}\n"])
def test_an_empty_file_means_the_defaults(tmp_path: Path, written: str) -> None:
    assert from_file(tmp_path, written) == Config(folder=tmp_path)


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "config.yml"
    path.write_text("http: {port: 1}\nqueue: {limit: 1}\nretries: 1\ntimelapse: {fps: 1}\n")
    environ = {"HELIOGRAPH_HTTP_PORT": "2", "HELIOGRAPH_QUEUE_LIMIT": "2", "PATH": "/bin"}
    config = load(path, environ, {"http.port": "3"})
    assert (config.http.port, config.queue.limit) == (3, 2)
    assert (config.retries, config.timelapse.fps) == (1, 1)


def test_a_wrong_value_stops_the_start_even_where_another_source_replaces_it() -> None:
    with pytest.raises(StartError, match="HELIOGRAPH_HTTP_PORT"):
        load(None, {"HELIOGRAPH_HTTP_PORT": "many"}, {"http.port": 1})


def test_variables_of_the_tests_are_ignored_and_other_unknown_ones_are_not() -> None:
    assert load(None, {"HELIOGRAPH_TEST_MONGODB_URI": "x", "PORT": "1"}, {}) == Config()
    with pytest.raises(StartError) as caught:
        load(None, {"HELIOGRAPH_HTTP_PROT": "1"}, {})
    assert "HELIOGRAPH_HTTP_PROT" in str(caught.value)
    assert "did you mean HELIOGRAPH_HTTP_PORT?" in str(caught.value)


@pytest.mark.parametrize(
    ("written", "key", "meant"),
    [
        ("http: {prot: 1}", "http.prot", "http.port"),
        ("port: 1", "port", "http.port"),
        ("retrys: 1", "retrys", "retries"),
        ("pipelines: {A: {klass: a.B}}", "pipelines.A.klass", "class"),
        ("pipelines: {A: {class: a.B, limits: {nise: 1}}}", "pipelines.A.limits.nise", "nice"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(
    tmp_path: Path, written: str, key: str, meant: str
) -> None:
    said = refusal(tmp_path, written)
    assert said.startswith(f"{key}: ")
    assert f"did you mean {meant}?" in said
    assert str(tmp_path / "config.yml") in said


@pytest.mark.parametrize(
    ("written", "key", "value"),
    [
        ("http: {port: 65536}", "http.port", "65536"),
        ("http: {port: -1}", "http.port", "-1"),
        ("http: {port: true}", "http.port", "True"),
        ("http: {port: '80'}", "http.port", "'80'"),
        ("http: {port: 80.0}", "http.port", "80.0"),
        ("http: {port: null}", "http.port", "None"),
        ("http: {host: ''}", "http.host", "''"),
        ("http: {host: 'a b'}", "http.host", "'a b'"),
        ("http: {host: 127}", "http.host", "127"),
        ("http: {allowed_hosts: a.example}", "http.allowed_hosts", "'a.example'"),
        ("http: {allowed_hosts: ['http://a/']}", "http.allowed_hosts", "['http://a/']"),
        ("http: {allowed_origins: ['*']}", "http.allowed_origins", "['*']"),
        ("http: {allowed_origins: ['https://a/']}", "http.allowed_origins", "['https://a/']"),
        ("http: {allowed_origins: ['https://u@a']}", "http.allowed_origins", "['https://u@a']"),
        ("http: 3", "http", "section"),
        ("data: 3", "data", "3"),
        ("data: ''", "data", "''"),
        ("data: ~no_such_user_at_all/x", "data", "'~no_such_user_at_all/x'"),
        ("mongodb: {database: 'a/b'}", "mongodb.database", "'a/b'"),
        ("uploads: {limit_bytes: 0}", "uploads.limit_bytes", "0"),
        ("uploads: {limit_bytes: 1.5}", "uploads.limit_bytes", "1.5"),
        ("uploads: {limit_bytes: 2 bananas}", "uploads.limit_bytes", "'2 bananas'"),
        ("uploads: {limit_bytes: 9999999999 TiB}", "uploads.limit_bytes", "'9999999999 TiB'"),
        ("pool: {workers: 0}", "pool.workers", "0"),
        ("shutdown_seconds: .nan", "shutdown_seconds", "nan"),
        ("shutdown_seconds: .inf", "shutdown_seconds", "inf"),
        (f"retries: {10**30}", "retries", str(10**30)),
        ("timelapse: {format: avi}", "timelapse.format", "'avi'"),
        ("timelapse: {fps: 61}", "timelapse.fps", "61"),
        ("timelapse: {size: 15}", "timelapse.size", "15"),
        ("timelapse: {crop_scale: 0}", "timelapse.crop_scale", "0"),
        ("limits: {nice: 20}", "limits.nice", "20"),
        ("limits: {timeout_seconds: 0}", "limits.timeout_seconds", "0"),
        ("leases: {heartbeat_seconds: 10}", "leases.lease_seconds", "20"),
        ("pipelines: [a.B]", "pipelines", "['a.B']"),
        ("pipelines: {A: NoDots}", "pipelines.A", "'NoDots'"),
        ("pipelines: {A: a..B}", "pipelines.A", "'a..B'"),
        ("pipelines: {A: 'a.B()'}", "pipelines.A", "'a.B()'"),
        ("pipelines: {A: {retries: 1}}", "pipelines.A", "{'retries': 1}"),
        ("pipelines: {A: {class: a.B, retries: -1}}", "pipelines.A.retries", "-1"),
        ("pipelines: {'': a.B}", "pipelines", "''"),
        ("pipelines: {3: a.B}", "pipelines", "3"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_where_it_came_from(
    tmp_path: Path, written: str, key: str, value: str
) -> None:
    said = refusal(tmp_path, written)
    assert said.startswith(f"{key}: ")
    assert value in said
    assert key == "http" or "allowed is " in said
    assert str(tmp_path / "config.yml") in said or "(default)" in said


def test_every_complaint_is_told_at_once(tmp_path: Path) -> None:
    said = refusal(tmp_path, "http: {port: x, prot: 1}\nretries: -1\n").splitlines()
    assert sorted(line.partition(":")[0] for line in said) == ["http.port", "http.prot", "retries"]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("http: [", "is not valid YAML"),
        ("retries: 1\nretries: 2\n", "'retries' is there twice in line 2"),
        ("http: {port: 1, port: 2}", "'port' is there twice"),
        ("pipelines: {A: a.B, A: a.C}", "'A' is there twice"),
        ("- http\n", "a mapping of keys to values"),
        ("just words", "a mapping of keys to values"),
        ("a: 1\n---\nb: 2\n", "is not valid YAML"),
        ("a: &x 1\nb: *x\n", "aliases"),
        ("a: !!python/object/apply:os.getcwd []\n", "is not valid YAML"),
        ("a: 2024-13-45\n", "cannot be read"),
        ("? [a, b]\n: 1\n", "is not valid YAML"),
        ("a: \x00", "is not allowed in YAML"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
        ("a: " + "9" * 5000, "cannot be read"),
        ("#" * (1024 * 1024 + 1), "is over 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(
    tmp_path: Path, written: str | bytes, reason: str
) -> None:
    said = refusal(tmp_path, written)
    assert reason in said
    assert str(tmp_path / "config.yml") in said


def test_a_hostile_file_is_refused_soon_and_in_few_words(tmp_path: Path) -> None:
    laughs = ["a: &a [x, x]"] + [f"b{n}: &b{n} [*a, *a]" for n in range(50)]
    start = time.monotonic()
    many = "\n".join(f"key{n}: 1" for n in range(20_000))
    nested = "retries: [" + "[1]," * 20_000 + "]"
    for written in ("\n".join(laughs), nested, "x" * 900_000 + ": 1", many):
        said = refusal(tmp_path, written)
        assert len(max(said.splitlines(), key=len)) < 2000
        assert len(said.splitlines()) <= 21
    assert time.monotonic() - start < 30


def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yml", tmp_path):
        with pytest.raises(StartError, match="cannot be read") as caught:
            load(path, {}, {})
        assert str(path) in str(caught.value)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert from_file(tmp_path, b"\xef\xbb\xbfretries: 3\n").retries == 3


def test_the_file_of_the_working_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_file() is None
    (tmp_path / "config.yml").write_text("retries: 2\n")
    config = load(find_file(), {}, {})
    assert (config.retries, config.folder) == (2, tmp_path)


def test_a_relative_data_folder_starts_where_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert from_file(tmp_path, "data: kept").data == tmp_path / "kept"
    assert load(None, {}, {"data": Path("kept")}).data == tmp_path / "elsewhere" / "kept"
    assert load(None, {"HELIOGRAPH_DATA": "~/kept"}, {}).data == Path.home() / "kept"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", "LocalHost"])
def test_loopback_is_recognised(host: str) -> None:
    assert is_loopback(host)
    assert load(None, {}, {"http.host": host}).http.host == host


def test_a_relative_path_of_a_file_starts_where_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    written = from_file(tmp_path, "http: {tokens_file: kept}")
    assert written.http.tokens_file == tmp_path / "kept"
    given = load(None, {"HELIOGRAPH_HTTP_TOKENS_FILE": "kept"}, {})
    assert given.http.tokens_file == tmp_path / "elsewhere" / "kept"
    with pytest.raises(StartError, match="tokens_file"):
        load(None, {"HELIOGRAPH_HTTP_TOKENS_FILE": "kept/"}, {})


def test_no_message_and_no_repr_shows_a_secret() -> None:
    environ = {"HELIOGRAPH_HTTP_TOKENS": f"{TOKEN},short", "HELIOGRAPH_MONGODB_URI": "me:pass@db"}
    with pytest.raises(StartError) as caught:
        load(None, environ, {"http.tokns": TOKEN})
    assert TOKEN not in str(caught.value)
    assert "pass" not in str(caught.value)
    uri = "mongodb://me:pass@db/"
    environ = {"HELIOGRAPH_HTTP_TOKENS": TOKEN, "HELIOGRAPH_MONGODB_URI": uri}
    config = load(None, environ, {})
    assert (config.http.tokens, config.mongodb.uri) == ((TOKEN,), uri)
    assert TOKEN not in repr(config)
    assert "me:pass" not in repr(config)


def test_lists_and_mappings_can_be_given_in_the_environment() -> None:
    environ = {
        "HELIOGRAPH_HTTP_ALLOWED_HOSTS": "a.example, b.example:8080 ,",
        "HELIOGRAPH_PIPELINES": '{"Mine": "a.b.C", "Other": {"class": "d.E", "retries": 4}}',
        "HELIOGRAPH_POOL_WORKERS": "null",
        "HELIOGRAPH_LIMITS_TIMEOUT_SECONDS": "",
    }
    config = load(None, environ, {})
    assert config.http.allowed_hosts == ("a.example", "b.example:8080")
    assert config.pipelines["Mine"] == PipelineEntry(path="a.b.C")
    assert config.pipelines["Other"].retries == 4
    assert config.pool.workers is None
    assert config.limits.timeout_seconds is None


def test_a_pipeline_overrides_the_general_settings_and_only_what_it_names(tmp_path: Path) -> None:
    config = from_file(
        tmp_path,
        """
        retries_on_failure: 2
        limits: {nice: 5, timeout_seconds: 60, cpu_seconds: 30}
        pipelines:
          Plain: a.Plain
          Long: {class: a.Long, timeout_seconds: null, retries: 7, limits: {nice: 19}}
        """,
    )
    plain, long = config.limits_of("Plain"), config.limits_of("Long")
    assert plain == config.limits_of("Not in the file") == config.limits
    assert (long.nice, long.timeout_seconds, long.cpu_seconds) == (19, None, 30)
    assert (config.retries_of("Long"), config.retries_of("Plain")) == (7, 1)
    assert config.retries_on_failure_of("Long") == config.retries_on_failure_of("Other") == 2


def test_there_are_as_many_slots_as_configured_or_cores() -> None:
    assert load(None, {}, {"pool.workers": 3}).pool.slots == 3
    assert load(None, {}, {}).pool.slots >= 1


def test_files_are_kept_in_the_data_folder_unless_there_is_a_url(tmp_path: Path) -> None:
    assert load(None, {}, {"data": tmp_path}).storage_url == str(tmp_path / "files")
    assert load(None, {}, {"files.url": "s3://bucket/a"}).storage_url == "s3://bucket/a"


def test_the_configuration_is_frozen_and_can_be_sent_to_another_process() -> None:
    config = load(None, {"HELIOGRAPH_PIPELINES": "{A: a.B}"}, {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.http.port = 1  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(config)) == config


sizes = st.tuples(
    st.integers(1, 4000),
    st.sampled_from([("", 1), ("B", 1), ("kB", 10**3), ("MB", 10**6), ("GiB", 2**30)]),
    st.sampled_from(["", " "]),
)


@given(sizes)
def test_a_size_is_read_as_people_write_it(written: tuple[int, tuple[str, int], str]) -> None:
    count, (unit, factor), space = written
    config = load(None, {}, {"uploads.limit_bytes": f"{count}{space}{unit}"})
    assert config.uploads.limit_bytes == count * factor


yaml_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)


def said_about(path: Path | None, environ: dict[str, str], options: dict[str, object]) -> str:
    """Return the message of a refusal, or an empty string when all is accepted."""
    try:
        load(path, environ, options)
    except StartError as error:
        return str(error)
    return ""


@given(st.sampled_from(KEYS), yaml_values)
def test_whatever_a_key_is_given_it_is_accepted_or_refused_in_words(
    key: str, value: object
) -> None:
    said = said_about(None, {}, {key: value})
    assert said == "" or (said.startswith(key) and "(command line)" in said)
    assert len(said) < 2000


@given(st.sampled_from(settings()), st.text(st.characters(exclude_characters="\0")))
def test_whatever_text_the_environment_holds_it_is_accepted_or_refused_in_words(
    setting: Setting, written: str
) -> None:
    said = said_about(None, {setting.variable: written}, {})
    assert said == "" or (setting.key in said and setting.variable in said)


@given(yaml_values)
def test_whatever_a_file_holds_it_is_accepted_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, tree: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yml"
    path.write_text(yaml.safe_dump(tree))
    said = said_about(path, {}, {})
    assert said == "" or str(path) in said
