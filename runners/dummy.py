"""The smallest pipeline that uses every feature: an example for authors, and something to try."""

from __future__ import annotations

import csv
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from runners.pipeline.process import PipelineProcess

SLOW_SECONDS = 1.0


class Dummy(PipelineProcess):
    """List the size and the SHA-256 checksum of each input file."""

    short_name: ClassVar[str] = "dummy"
    flags: ClassVar[dict[str, dict[str, Any]] | None] = {
        "slow": {
            "default": False,
            "long_name": "Wait a second after each file, to have something to watch",
        },
    }

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Path]:
        """Yield `summary.csv`, a table of name, size in bytes and SHA-256."""
        path, products = Path(tmpdir) / "summary.csv", self.input_files.all()
        with path.open("w", newline="") as file:
            summary = csv.writer(file)
            summary.writerow(["name", "size", "sha256"])
            for done, product in enumerate(products, 1):
                self.check_cancelled()
                with self.update_status(f"Reading file {done} of {len(products)}"):
                    self.log(f"Processing {product.name}")
                    summary.writerow([product.name, *size_and_checksum(product.data.open())])
                    self.progress(done, len(products))
                    if flags.get("slow"):
                        time.sleep(SLOW_SECONDS)
        yield path


def size_and_checksum(file: Any) -> tuple[int, str]:
    """Return an open file's size in bytes and its SHA-256 in hexadecimal, and close it."""
    with file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), checksum
