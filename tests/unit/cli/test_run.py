"""How a run ends on the command line: what is said of its frames, and the exit status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.cli import run
from server.cli.api_client import Refused
from server.cli.exit_status import ExitStatus

RECORD = {"pk": 7, "identifier": "timelapse_m13", "state": "succeeded", "outputs": [],
          "process_type": "timelapse", "flags": {"align": True}}  # fmt: skip


class Answers:
    """A client that answers from a table and keeps what was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {path.replace("_", "/"): answer for path, answer in answers.items()}
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        self.asked.append(path)
        found = self.answers.get(path.strip("/"))
        if isinstance(found, Exception):
            raise found
        return found

    def all(self, path: str, plural: str) -> list[Any]:
        self.asked.append(path)
        return list(self.answers.get(plural, []))


def ended(shifts: list[Any], **changes: Any) -> tuple[int, list[str], Answers]:
    """Return the exit status, what was said, and the client, for frames with these shifts."""
    client = Answers(api_processes_7_frames={"frames": [{"shift": each} for each in shifts]})
    said: list[str] = []
    status = run._report(
        client,  # type: ignore[arg-type]
        RECORD | changes,
        None,
        lambda text, style="": said.append(text),
    )
    return status, said, client


def test_frames_that_are_not_aligned_are_counted_and_show_in_the_exit_status() -> None:
    status, said, _ = ended([None, [1.0, 2.0], None])
    assert (status, ExitStatus.NOT_ALIGNED) == (3, 3)
    assert said == ["timelapse_m13 succeeded", "Not aligned: 2 of 3 frames"]


def test_a_film_that_is_aligned_or_need_not_be_ends_with_0() -> None:
    assert ended([[0.0, 0.0]])[:2] == (0, ["timelapse_m13 succeeded"])
    for changes in ({"flags": {}}, {"process_type": "pipeline"}):
        status, _, client = ended([None], **changes)
        assert (status, client.asked) == (0, [])


def test_a_failed_film_ends_with_1() -> None:
    status, said, _ = ended([None], state="failed", failure_message="No stars")
    assert (status, said) == (1, ["timelapse_m13 failed: No stars"])


@pytest.mark.parametrize("given", ["Timelapse", "timelapse", "TIMELAPSE"])
def test_a_pipeline_is_found_in_whatever_case(given: str) -> None:
    known = [{"name": "Timelapse", "allowed_suffixes": [".fits"]}]
    client: Any = Answers(api_pipelines={"pipelines": known})
    assert run.pipeline_of(client, given) == ("Timelapse", [".fits"])
    known.append({"name": "TimeLapse", "allowed_suffixes": []})
    assert run.pipeline_of(client, "TimeLapse") == ("TimeLapse", [])
    if given != "Timelapse":
        with pytest.raises(Refused, match="Unknown pipeline"):
            run.pipeline_of(client, given)


def test_a_folder_is_used_alone_only_if_no_target_is_called_so(tmp_path: Path) -> None:
    named = [{"pk": 4, "identifier": "night", "name": str(tmp_path)}]
    nobody: Any = Answers(targets=[])
    somebody: Any = Answers(targets=named)
    several: Any = Answers(targets=[named[0], {**named[0], "identifier": "other"}])
    assert run._is_folder_alone(nobody, str(tmp_path))
    assert not run._is_folder_alone(somebody, str(tmp_path))
    assert not run._is_folder_alone(nobody, str(tmp_path / "none"))
    with pytest.raises(Refused, match="Several targets are named"):
        run._is_folder_alone(several, str(tmp_path))
