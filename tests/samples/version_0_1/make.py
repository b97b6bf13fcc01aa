"""Makes the data folder of version 0.1 that is kept here, with what that version answered about it.

Run it by a Python that has version 0.1 (commit a5ba058), from the root of this repository:

    git worktree add ../heliograph-0.1 a5ba058
    python3 -m venv ../heliograph-0.1-python
    ../heliograph-0.1-python/bin/pip install ../heliograph-0.1
    ../heliograph-0.1-python/bin/python tests/samples/version_0_1/make.py ../heliograph-0.1

It writes `data.tar.gz` and `expected.json` beside itself. The server is killed at the end, while a
run goes on, so that the folder is as a crash leaves it.
"""

from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from astropy.io import fits

HERE = Path(__file__).parent
SECONDS = 90.0
TABLE = "time,magnitude,error,filter\n58000.1,12.25,0.01,V\n58000.2,12.5,0.02,R\n58000.3,12.125,,\n"
#: What is not a fact of the folder: caches, the lock, the room held in reserve.
LEFT_OUT = {"reserve", "heliograph.lock", "address", "previews", "engine.sock", "engine.lock"}


class Server:
    """Version 0.1 on a data folder, in a process of its own."""

    def __init__(self, data: Path, config: Path) -> None:
        command = [sys.executable, "-m", "server", "--config", str(config), "--data", str(data)]
        self.process = subprocess.Popen(
            [*command, "--port", "0"], cwd=data.parent, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "ready at" in line:
                self.url = line.split()[-1].rstrip("/")
                return
        raise RuntimeError("the server did not start")

    def kill(self) -> None:
        """Kill it, and wait until its children are gone too."""
        self.process.send_signal(signal.SIGKILL)
        assert self.process.stdout is not None
        self.process.stdout.read()
        self.process.wait()

    def get(self, path: str) -> Any:
        """Return the answer to a GET: JSON or bytes, the status alone of an error."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                body: bytes = answer.read()
                return json.loads(body) if "json" in answer.headers["Content-Type"] else body
        except urllib.error.HTTPError as error:
            return {"status_code": error.code}

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        """Return the answer to a POST of JSON, or of bytes with headers."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kinds = headers or {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=kinds)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def upload(self, target: int, files: dict[str, bytes]) -> list[int]:
        """Upload files and return their PKs."""
        head = '--cut\r\nContent-Disposition: form-data; name="file"; filename="{}"\r\n\r\n'
        body = b"".join(
            head.format(name).encode() + content + b"\r\n" for name, content in files.items()
        )
        headers = {"Content-Type": "multipart/form-data; boundary=cut"}
        path = f"/api/targets/{target}/dataproducts/"
        answer = self.post(path, body + b"--cut--\r\n", headers)
        return [product["pk"] for product in answer["dataproducts"]]

    def submit(self, target: int, pipeline: str, products: list[int], **flags: bool) -> int:
        """Submit a process and return its PK."""
        body = {"target": target, "pipeline": pipeline, "products": products, "flags": flags}
        return int(self.post("/api/processes/", body)["pk"])

    def wait(self, pk: int, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the record of a process is as wanted, and return it."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            record: dict[str, Any] = self.get(f"/api/processes/{pk}/")
            if condition(record):
                return record
            time.sleep(0.02)
        raise RuntimeError(f"process {pk} took too long: {record}")


def ended(record: dict[str, Any]) -> bool:
    """Return whether a process has ended."""
    return record["state"] in ("succeeded", "failed", "cancelled")


def waiting(record: dict[str, Any]) -> bool:
    """Return whether a process of the pipeline `Waits` has said its line."""
    return record["status"] == "Waiting" and record["log_lines"] > 0


def frame(number: int) -> bytes:
    """Return a small FITS frame of a field of stars that drifts."""
    noise = np.random.default_rng(number)
    pixels = noise.normal(1000, 10, (48, 64))
    for x, y in ((10, 9), (31, 20), (50, 35), (22, 38)):
        pixels[y : y + 3, x + number : x + number + 3] += 4000
    image = fits.PrimaryHDU(pixels.astype(np.uint16))
    image.header["DATE-OBS"] = f"2026-03-01T22:0{number}:00"
    image.header["EXPTIME"], image.header["FILTER"] = 30.0, "V"
    written = io.BytesIO()
    image.writeto(written)
    return written.getvalue()


def fill(server: Server) -> int:
    """Make some of everything, and return a process that goes on."""
    m13 = server.post("/api/targets/", {"name": "M 13", "ra": 250.42, "dec": 36.46})["pk"]
    extra = {"table": TABLE, "file": True, "lines": 20_000, "note": "ünïcode $.key"}
    star = server.post("/api/targets/", {"name": "V* RR Lyr", "extra_fields": extra})["pk"]
    server.post("/api/targets/", {"name": "Empty"})
    frames = server.upload(m13, {f"frame {number}.fits": frame(number) for number in range(4)})
    broken = server.upload(m13, {"broken.fits": b"SIMPLE  = no frame at all"})
    texts = server.upload(
        star, {"Übersicht (1).txt": "größer\n".encode(), "table.csv": TABLE.encode()}
    )
    submitted = [
        server.submit(m13, "Timelapse", frames),
        server.submit(m13, "Timelapse", [*frames, *broken]),
        server.submit(m13, "Dummy", frames),
        server.submit(m13, "Chatty", frames[:1], loud=True),
        server.submit(m13, "Stages", frames[:1]),
        server.submit(m13, "Raises", frames[:1]),
        server.submit(m13, "KillsItself", frames[:1]),
        server.submit(star, "Outputs", texts[:1]),
        server.submit(star, "Fails", texts),
        server.submit(star, "Measures", texts),
        server.submit(star, "Counts", texts),
        server.submit(star, "LongLine", texts),
    ]
    for pk in submitted:
        server.wait(pk, ended)
    cancelled = server.submit(m13, "Waits", frames[:1])
    server.wait(cancelled, waiting)
    server.post(f"/api/processes/{cancelled}/cancel/", {})
    server.wait(cancelled, ended)
    server.post("/api/groups/", {"name": "The best", "products": frames[:2]})
    removed = server.upload(m13, {"deleted.txt": b"gone"})[0]
    path = f"{server.url}/api/dataproducts/{removed}/"
    urllib.request.urlopen(urllib.request.Request(path, method="DELETE"), timeout=30).close()
    lost = server.submit(m13, "Waits", frames[:1])
    server.wait(lost, waiting)
    return lost


def answers(server: Server) -> dict[str, Any]:
    """Return what the server says about everything that it has, by path."""
    found: dict[str, Any] = {}

    def get(path: str) -> Any:
        answer = server.get(path)
        if isinstance(answer, bytes):
            answer = {"sha256": hashlib.sha256(answer).hexdigest()}
        found[path] = answer
        return answer

    for target in get("/api/targets/")["targets"]:
        pk = target["pk"]
        for part in (f"target/{pk}/", f"targets/{pk}/", f"targets/{pk}/lightcurve/"):
            get(f"/api/{part}")
        get(f"/api/async/status/{pk}/")["timestamp"] = None
        for product in get(f"/api/targets/{pk}/dataproducts/")["dataproducts"]:
            get(f"/api/dataproducts/{product['pk']}/")
            get(f"/dataproducts/{product['pk']}/file/{quote(product['name'])}")
            get(f"/api/dataproducts/{product['pk']}/header/")
    for group in get("/api/groups/")["groups"]:
        get(f"/api/groups/{group['pk']}/")
    for record in get("/api/processes/")["processes"]:
        pk = record["pk"]
        for part in ("", "sections/", "receipt/", "logs.txt"):
            get(f"/api/processes/{pk}/{part}")
        lines = server.get(f"/api/processes/{pk}/logs/?limit=100000")["lines"]
        digest = hashlib.sha256(json.dumps(lines).encode()).hexdigest()
        found[f"/api/processes/{pk}/logs/?limit=100000"] = {"lines": len(lines), "sha256": digest}
        get(f"/api/pipeline/logs/{pk}/")
        whole = found[f"/api/pipeline/logs/{pk}/"]
        if "logs" in whole:
            whole["logs"] = hashlib.sha256(whole["logs"].encode()).hexdigest()
    return found


def pack(data: Path) -> None:
    """Write the data folder as an archive that names no user and no time."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if LEFT_OUT.intersection(Path(member.name).parts):
            return None
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(HERE / "data.tar.gz", "w:gz", compresslevel=9) as archive:
        archive.add(data, "data", filter=plain)


def main(checkout: Path) -> None:
    """Make the folder and what is expected of it."""
    config = checkout / "tests" / "samples" / "config.yml"
    with tempfile.TemporaryDirectory(prefix="heliograph-") as folder:
        data = Path(folder) / "data"
        server = Server(data, config)
        lost = fill(server)
        for _ in range(2):  # its two attempts
            server.kill()
            server = Server(data, config)
            server.wait(lost, lambda record: ended(record) or waiting(record))
        expected = answers(server)
        last = server.submit(1, "Waits", [1])
        server.wait(last, waiting)
        server.kill()
        pack(data)
    written = {"running": last, "answers": expected}
    text = json.dumps(written, indent=1, sort_keys=True, ensure_ascii=False)
    (HERE / "expected.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
