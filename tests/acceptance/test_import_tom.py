"""An old site that moves in by the command, killed in between, and a server on what has arrived."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Servers
from tests.fakes.moved_in import stamp
from tests.fakes.tom_site import TomSite, small_site

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=170), pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
END_SECONDS = 60.0


def command(site: TomSite, data: Path) -> subprocess.Popen[str]:
    """Start the command."""
    where = [str(site.database), str(site.media), "--data", str(data)]
    return subprocess.Popen(
        [sys.executable, "-m", "server", "import-tom", *where],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def killed_at(site: TomSite, data: Path, files: int, seconds: float) -> bool:
    """Import, and kill the command so long after so many files are there; return if it was."""
    deadline = time.monotonic() + END_SECONDS
    with command(site, data) as process:
        while process.poll() is None and len(list(data.glob("files/*/*"))) < files:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return True
    return False


async def test_a_site_that_was_killed_on_its_way_answers_as_the_old_one_did(
    servers: Servers, tmp_path: Path
) -> None:
    site = small_site(tmp_path / "site")
    for number in range(60):
        site.process(2, f"many_2_{number}", inputs=[1], logs=f"Processing {number}\n" * 50)
    before = site.contents()
    chance = random.Random(19)
    kills = [killed_at(site, servers.data, files, chance.uniform(0.0, 0.3)) for files in (0, 1, 10)]
    assert any(kills)
    with command(site, servers.data) as process:
        said, _ = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 0, said
    assert site.contents() == before
    client = servers.start().client()
    processes = site.rows("tom_education_asyncprocess")
    for target in site.rows("tom_targets_target"):
        status = await client.call(f"/api/async/status/{target['id']}/")
        wanted = [row for row in processes if row["target_id"] == target["id"]]
        assert status["processes"] == [_status(row) for row in reversed(wanted)]
        answer = await client.call(f"/api/target/{target['id']}/")
        assert answer["target"]["name"] == target["name"]
        assert answer["target"]["extra_fields"] == {"mission": "LCO", "mag": 5.8, "active": True}
        [film] = answer["timelapses"]
        assert (film["name"], film["format"], film["frames"]) == (
            f"tl_{target['id']}_20190722164000_t.gif", "gif", 3,
        )  # fmt: skip
        assert (await client.fetch(film["url"])).body == b"GIF89a"
    for row in site.rows("tom_education_pipelineprocess"):
        if "tl_" not in processes[row["asyncprocess_ptr_id"] - 1]["identifier"]:
            found = await client.call(f"/api/pipeline/logs/{row['asyncprocess_ptr_id']}/")
            assert found["logs"] == (row["logs"] or "")
            group = row["group_id"]
            url = None if group is None else f"/dataproducts/data/group/{group}/"
            assert found["group_url"] == url
    for row in site.rows("tom_dataproducts_dataproduct"):
        product = await client.call(f"/api/dataproducts/{row['id']}/")
        content = (site.media / row["data"]).read_bytes()
        assert (await client.fetch(product["url"])).body == content
        assert (product["fits"] is not None) == row["data"].endswith(".fits")
    made = await client.make_target("New")
    assert made == 4
    [curve] = [await client.call("/api/targets/1/lightcurve/")]
    assert len(next(iter(curve.values()))) == 5


def _status(row: dict[str, Any]) -> dict[str, Any]:
    """Return what the API of the old site says of a process."""
    film = row["process_type"] == "TimelapsePipeline"
    return {
        "identifier": row["identifier"],
        "created": stamp(row["created"]),
        "status": row["status"],
        "terminal_timestamp": stamp(row["terminal_timestamp"]),
        "failure_message": row["failure_message"] or None,
        "view_url": None if film else f"/pipeline/{row['id']}",
    }
