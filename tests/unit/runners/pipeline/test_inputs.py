"""Inputs: nothing that a pipeline does to what it is given changes what is stored."""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from runners.pipeline.errors import AsyncError
from runners.pipeline.inputs import InputData, InputProduct, stored_path
from runners.pipeline.own_copies import InputSource, adopt, change_of, is_verified, used_in

NAME = "a frame.fits"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Write a FITS file as storage has it; return its path."""
    path = tmp_path / "files/7" / NAME
    path.parent.mkdir(parents=True)
    fits.writeto(path, np.arange(6400, dtype=np.int16).reshape(80, 80) % 128)
    path.chmod(0o400)
    return path


def product_of(path: Path, run: Path) -> InputProduct:
    content = path.read_bytes()
    source = InputSource(
        str(path), str(run / "inputs/7"), len(content), hashlib.sha256(content).hexdigest()
    )
    return InputProduct(7, path.name, InputData(source, path.name))


@pytest.fixture
def product(stored: Path, tmp_path: Path) -> InputProduct:
    """Return the stored file as an input."""
    (tmp_path / "run/inputs").mkdir(parents=True)
    return product_of(stored, tmp_path / "run")


def look(path: Path) -> tuple[Any, ...]:
    facts = path.stat()
    return (path.read_bytes(), facts.st_mode, facts.st_ino, facts.st_nlink, facts.st_mtime_ns)


def update_in_place(product: InputProduct) -> None:
    with fits.open(product.data.path, mode="update") as hdus:
        hdus[0].header["OBJECT"] = "M 13"
        hdus[0].data[:] = 0


def overwrite(product: InputProduct) -> None:
    Path(product.data.path).chmod(0o666)
    Path(product.data.path).write_bytes(b"nothing")


def overwrite_one_byte(product: InputProduct) -> None:
    with Path(product.data.path).open("r+b") as file:
        file.write(b"?")


def move(product: InputProduct) -> None:
    shutil.move(product.data.path, "elsewhere.fits")


def remove_folder(product: InputProduct) -> None:
    shutil.rmtree(Path(product.data.path).parent)


def gzip_in_place(product: InputProduct) -> None:
    subprocess.run(["gzip", product.data.path], check=True)


def replace_by_link(product: InputProduct) -> None:
    path = Path(product.data.path)
    path.unlink()
    path.symlink_to("/dev/zero")


def open_for_writing(product: InputProduct) -> None:
    with product.data.open("r+b") as file:
        file.write(b"?")


def write_through_descriptor(product: InputProduct) -> None:
    with product.data.open() as file:
        os.fchmod(file.fileno(), 0o666)
        with Path(f"/proc/self/fd/{file.fileno()}").open("r+b") as again:
            again.write(b"?")


CHANGED = {
    update_in_place: "changed",
    overwrite: "changed",
    overwrite_one_byte: "changed",
    move: "deleted or moved",
    remove_folder: "deleted or moved",
    gzip_in_place: "deleted or moved",
    replace_by_link: "changed",
    open_for_writing: "changed",
    write_through_descriptor: "changed",
}


@pytest.mark.parametrize("harm", CHANGED, ids=lambda harm: harm.__name__)
def test_no_harm_reaches_what_is_stored(
    product: InputProduct,
    stored: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[InputProduct], None],
) -> None:
    monkeypatch.chdir(tmp_path / "run")
    before = look(stored)
    harm(product)
    assert look(stored) == before
    assert [path.name for path in stored.parent.iterdir()] == [NAME]
    assert change_of(product.data.source, product.name) == CHANGED[harm]


def read_whole(product: InputProduct) -> None:
    assert product.data.read()[:6] == b"SIMPLE"


def read_by_astropy(product: InputProduct) -> None:
    with product.data.open() as file, fits.open(file) as hdus:
        assert hdus[0].data[79, 79] == 127


def read_as_text(product: InputProduct) -> None:
    with product.data.open("r") as file:
        assert file.read(6) == "SIMPLE"


def remove_by_name(product: InputProduct) -> None:
    with product.data.file as file, pytest.raises(FileNotFoundError):
        Path(file.name).unlink()


def read_as_built_in(product: InputProduct) -> None:
    assert stored_path(product).read_bytes()[:6] == b"SIMPLE"


@pytest.mark.parametrize(
    "read", [read_whole, read_by_astropy, read_as_text, remove_by_name, read_as_built_in]
)
def test_reading_needs_no_copy(
    product: InputProduct, tmp_path: Path, read: Callable[[InputProduct], None]
) -> None:
    read(product)
    assert [path for path in (tmp_path / "run/inputs").iterdir() if path.is_dir()] == []
    assert change_of(product.data.source, product.name) is None
    assert is_verified(product.data.source) == (read is read_whole)


def test_a_copy_that_is_only_read_or_touched_is_unchanged(product: InputProduct) -> None:
    path = Path(product.data.path)
    assert path.name == NAME
    (path.parent / "notes.txt").write_text("beside it")
    assert change_of(product.data.source, product.name) is None
    path.touch()
    path.chmod(0o444)
    assert change_of(product.data.source, product.name) is None
    assert is_verified(product.data.source)


def test_a_copy_that_was_moved_away_stays_away(product: InputProduct) -> None:
    Path(product.data.path).unlink()
    assert not Path(product.data.path).exists()
    with pytest.raises(FileNotFoundError):
        product.data.open()


def test_what_was_written_to_the_copy_is_read_from_then_on(product: InputProduct) -> None:
    Path(product.data.path).write_bytes(b"mine")
    assert product.data.read() == b"mine"
    with product.data.open() as file:
        assert file.read() == b"mine"


def test_a_descriptor_is_at_the_same_place(product: InputProduct) -> None:
    with product.data.open() as file:
        file.seek(2880)
        first = np.fromfile(file, ">i2", 3)
    assert first.tolist() == [0, 1, 2]


def test_threads_and_children_share_one_copy(product: InputProduct, tmp_path: Path) -> None:
    child = (
        "import pickle, sys; product = pickle.load(sys.stdin.buffer); "
        "print(product.data.path, len(product.data.read()))"
    )
    command = [sys.executable, "-c", child]
    given = pickle.dumps(product)
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: product.data.path, range(64)))
        said = subprocess.run(command, input=given, capture_output=True, check=True).stdout
    assert len(paths) == 1
    assert said.decode().split("\n")[0] == f"{paths.pop()} {len(product.data.read())}"
    assert [path.name for path in (tmp_path / "run/inputs").iterdir() if path.is_dir()] == ["7"]


USES: dict[str, Callable[[InputProduct], object]] = {
    "path": lambda product: product.data.path,
    "open": lambda product: product.data.open(),
    "read": lambda product: product.data.read(),
    "stored_path": stored_path,
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", ["cut", "FIFO", "link", "missing"])
def test_a_damaged_file_fails_the_run_with_a_sentence(
    product: InputProduct, stored: Path, tmp_path: Path, use: str, kind: str
) -> None:
    content = stored.read_bytes()
    stored.unlink()
    if kind == "cut":
        stored.write_bytes(content[:-1])
    elif kind == "FIFO":
        os.mkfifo(stored)
    elif kind == "link":
        (tmp_path / "target").write_bytes(content)
        stored.symlink_to(tmp_path / "target")
    with pytest.raises(AsyncError, match=NAME) as raised:
        USES[use](product)
    assert str(tmp_path) not in str(raised.value)
    assert list((tmp_path / "run/inputs").iterdir()) == []


@pytest.mark.parametrize("use", ["path", "read"])
def test_a_swapped_file_fails_the_run(product: InputProduct, stored: Path, use: str) -> None:
    content = stored.read_bytes()
    stored.unlink()
    stored.write_bytes(content[:-1] + b"?")
    with pytest.raises(AsyncError, match="another checksum"):
        USES[use](product)
    assert not is_verified(product.data.source)


def test_no_room_for_a_copy_is_a_sentence(
    product: InputProduct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pwrite(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(AsyncError, match=f"^{NAME} could not be copied for the run: no space"):
        USES["path"](product)
    assert list((tmp_path / "run/inputs").iterdir()) == []


@pytest.mark.parametrize("put", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_a_run_puts_in_place_of_a_note_is_not_waited_for(
    product: InputProduct, put: Callable[[Path], None]
) -> None:
    path = Path(product.data.path)
    note = path.parent.with_name(f"{path.parent.name}.copied")
    note.unlink()
    put(note)
    assert change_of(product.data.source, product.name) is None
    path.write_bytes(b"?" * path.stat().st_size)
    assert change_of(product.data.source, product.name) == "changed"


def test_a_file_fetched_from_afar_is_the_runs_own(stored: Path, tmp_path: Path) -> None:
    own = tmp_path / "run/inputs/7" / NAME
    own.parent.mkdir(parents=True)
    own.write_bytes(gzip.compress(b"content"))
    product = product_of(own, tmp_path / "run")
    adopt(product.data.source, product.name)
    assert product.data.path == str(stored_path(product)) == str(own)
    assert is_verified(product.data.source)
    assert change_of(product.data.source, product.name) is None
    own.write_bytes(b"?" * own.stat().st_size)
    assert change_of(product.data.source, product.name) == "changed"


def test_what_a_run_leaves_beside_its_copies_is_no_input(
    product: InputProduct, tmp_path: Path
) -> None:
    folder = tmp_path / "run/inputs"
    assert used_in(folder) == set()
    product.data.read()
    assert used_in(folder) == {7}
    for name in ("notes.txt", "²", ".hidden", "8 b"):
        (folder / name).touch()
    assert used_in(folder) == {7}
    shutil.rmtree(folder)
    assert used_in(folder) == set()
