"""Migrations to S3 that are killed again and again: nothing is served before all is there, once.

They need a database that any process may connect to, so they are skipped unless
HELIOGRAPH_TEST_MONGODB_URI names one (`python -m tests.engines secantus -- pytest …`).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from server.operations.keeping.stored_files import StoredFiles
from server.store.driver.reading import MongoDocuments
from tests.conftest import MONGODB_URI
from tests.fakes.kept import store
from tests.fakes.moved import Moving, checksums, moving, prepare
from tests.fakes.old_data import config_of, unpack
from tests.fakes.s3_server import SECRET, S3Server, environment, needs_s3, s3_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    needs_s3,
    pytest.mark.skipif(
        MONGODB_URI is None,
        reason="killed migrations are not tried: HELIOGRAPH_TEST_MONGODB_URI names no database",
    ),
]

#: How long a command may take on a machine that has much else to do.
END_SECONDS = 150.0


class Killed:
    """A migration whose command is killed at moments of a seed."""

    def __init__(self, move: Moving, s3: S3Server) -> None:
        self.move = move
        self.s3 = s3
        self.bucket = s3.bucket()
        self.storage = f"s3://{self.bucket}/files"
        self.variables = os.environ | environment(s3.url)
        self.kills = 0
        #: moments at which there was a mark, and so a server was refused
        self.refusals = 0

    def command(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "server", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.variables | variables,
        )

    def run(self) -> None:
        """Migrate to the end."""
        said, status = self._output(self._arguments())
        assert status == 0, said

    def _output(
        self, arguments: Sequence[str], variables: Mapping[str, str] | None = None
    ) -> tuple[str, int]:
        """Return what a command prints, and its exit status, once it has ended of itself."""
        with self.command(*arguments, **(variables or {})) as process:
            try:
                said, _ = process.communicate(timeout=END_SECONDS)
            except BaseException:
                process.kill()
                raise
        return said, process.returncode

    def killed_at(self, work: int, seconds: float) -> None:
        """Migrate, and kill the command so long after there is so much in the target."""
        before = self._mark()
        with self.command(*self._arguments()) as process:
            while process.poll() is None and not self._has_come_to(work, before):
                time.sleep(0.01)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                self.kills += 1

    def _mark(self) -> str | None:
        with MongoDocuments(self.move.uri, "none") as found:
            installation = found.get("installation", "installation") or {}
        return installation.get("migrating")

    def _has_come_to(self, work: int, before: str | None) -> bool:
        """Return whether this command, not the one before it, has put so much into the target."""
        if self._mark() in (None, before):
            return False
        files = len(self.s3.keys(self.bucket))
        return files >= work or files + self._records() >= work

    def _records(self) -> int:
        with MongoDocuments(self.move.uri, "none") as found:
            database = found._database
            return sum(
                database[name].estimated_document_count()
                for name in database.list_collection_names()
            )

    def refused(self) -> None:
        """Check that no server starts while the mark is there."""
        if self._mark() is None:
            return
        self.refusals += 1
        data = str(self.move.files.with_name("served"))
        variables = {
            "HELIOGRAPH_MONGODB_URI": self.move.uri,
            "HELIOGRAPH_FILES_URL": self.storage,
        }
        said, status = self._output(("--port", "0", "--data", data), variables)
        assert status == 2, said
        assert "run the same command again" in said
        assert SECRET not in said

    def whole(self) -> None:
        """Check that everything has arrived once."""
        assert self.move.there() == self.move.here()
        there = StoredFiles(self.storage)
        source = checksums(self.move.config.data / "files")
        assert {file.key for file in there.listed()} == source.keys()

    def _arguments(self) -> list[str]:
        storage = self.storage
        data = str(self.move.config.data)
        return ["migrate", "--to", self.move.uri, "--files", storage, "--data", data]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Yield an S3 server, which this process finds too."""
    with s3_server() as server:
        for name, value in environment(server.url).items():
            monkeypatch.setenv(name, value)
        yield server


def kill_again_and_again(s3: S3Server, folder: Path, kills: int, seed: int) -> Killed:
    """Kill one migration so often, each time at another moment of the whole; then finish it."""
    chance = random.Random(seed)
    config = config_of(unpack(folder))
    prepare(config, "alice")
    assert MONGODB_URI is not None
    with moving(config, MONGODB_URI, folder / "unused") as move:
        for number in range(200):
            pk = 2**40 + number
            store(move.database, "receipts", {"_id": pk, "process": pk, "facts": "x" * 20_000})
        killed = Killed(move, s3)
        files = len(checksums(config.data / "files")) + 1
        records = sum(map(len, move.here().values()))
        for _ in range(kills):
            work = chance.randrange(files) if chance.random() < 0.5 else files + records
            killed.killed_at(chance.randint(0, work), chance.uniform(0.0, 0.5))
            killed.refused()
        killed.run()
        killed.whole()
        assert s3.unfinished(killed.bucket) == []
        print(f"seed {seed}: {killed.kills} kills, {killed.refusals} starts refused")
        return killed


def test_kills_at_any_moment_lose_and_double_nothing(s3: S3Server, tmp_path: Path) -> None:
    kill_again_and_again(s3, tmp_path, 2, seed=7)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_twenty_kills_lose_and_double_nothing(s3: S3Server, tmp_path: Path) -> None:
    found = []
    for seed in range(10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        found.append(kill_again_and_again(s3, folder, 3, seed))
    assert sum(killed.kills for killed in found) >= 20
    assert sum(killed.refusals for killed in found) >= 10
