"""However a run ends, its record says so, its log has its last lines, and nothing hangs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import psutil
import pytest

import runners.supervision.oom_kills
import server.execution.attempt
from tests.integration.conftest import Client, serving
from tests.integration.scripts import Scripts, alive, eventually, scripted_config

pytestmark = pytest.mark.gen_test(timeout=50)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripts]:
    """Yield scripts on a server of this module."""
    with serving(scripted_config(tmp_path_factory.mktemp("endings"))) as running:
        yield Scripts(Client(running.url))


async def test_what_a_segmentation_fault_leaves_is_in_the_log_before_the_last_words(
    scripts: Scripts,
) -> None:
    record = await scripts.run("import ctypes; ctypes.string_at(0)")
    texts = await scripts.texts(record["pk"])
    message = "The pipeline was killed by signal 11 (SIGSEGV)"
    assert record["failure_message"] == message
    assert texts.index("Fatal Python error: Segmentation fault") < texts.index(message)
    assert record["resources"]["exit"] == "signal 11 (SIGSEGV)"


async def test_the_last_of_standard_error_comes_before_the_last_words(scripts: Scripts) -> None:
    record = await scripts.run("""
        import os
        os.write(2, b"x" * 300_000 + b"\\nthe end, without a line end")
        os._exit(3)
        """)
    texts = await scripts.texts(record["pk"])
    assert texts[-2:] == ["the end, without a line end", "The pipeline ended with exit code 3"]
    assert sum(text.count("x") for text in texts[:-2]) == 300_000


@pytest.mark.parametrize("code", ["os._exit(0)", "os.execv('/bin/true', ['true'])"])
async def test_who_leaves_without_a_word_has_failed_even_with_exit_code_0(
    scripts: Scripts, code: str
) -> None:
    record = await scripts.run(f"import os; {code}")
    assert record["failure_message"] == "The pipeline ended with exit code 0"


async def test_a_program_that_is_not_there_has_its_traceback(scripts: Scripts) -> None:
    record = await scripts.run("import os; os.execv('/nowhere/at/all', ['x'])")
    assert record["failure_message"] == "An unexpected error occurred"
    assert any("/nowhere" in text or "No such file" in text
               for text in await scripts.texts(record["pk"]))  # fmt: skip


async def test_an_error_that_cannot_be_pickled_is_told_as_any_other(scripts: Scripts) -> None:
    record = await scripts.run("""
        import threading
        class Odd(Exception):
            def __init__(self):
                super().__init__("cannot be pickled")
                self.lock = threading.Lock()
            def __reduce__(self):
                raise TypeError("no")
        raise Odd
        """)
    assert record["failure_message"] == "An unexpected error occurred"
    assert any("cannot be pickled" in text for text in await scripts.texts(record["pk"]))


async def test_a_lone_surrogate_in_a_failure_is_a_replacement_character(scripts: Scripts) -> None:
    record = await scripts.run("import sys; sys.exit('no \\ud800 stars')")
    assert record["failure_message"] == "no \ufffd stars"
    assert "no \ufffd stars" in await scripts.texts(record["pk"])


async def test_a_run_killed_at_once_has_figures(scripts: Scripts) -> None:
    record = await scripts.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert record["resources"]["cpu_seconds"] > 0
    assert record["resources"]["peak_rss_bytes"] > 10_000_000
    assert record["resources"]["exit"] == "signal 9 (SIGKILL)"


async def test_a_strangers_kill_is_no_proof_of_a_lack_of_memory(scripts: Scripts) -> None:
    record = await scripts.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert (await scripts.texts(record["pk"]))[-1] == (
        "Nobody here sends this signal unasked: somebody else did, or it was out of memory"
    )


async def test_the_kernels_count_of_such_kills_makes_it_likely(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([7, 8])
    monkeypatch.setattr(runners.supervision.oom_kills, "count", lambda: next(counts))
    record = await scripts.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert (await scripts.texts(record["pk"]))[-1] == (
        "Probably it was out of memory: the kernel ended a process for that meanwhile"
    )


async def test_a_strangers_sigterm_is_named(scripts: Scripts) -> None:
    record = await scripts.run("""
        import os, signal, time
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        """)
    assert record["failure_message"] == "The pipeline was killed by signal 15 (SIGTERM)"


async def test_closed_standard_streams_do_not_silence_the_log(scripts: Scripts) -> None:
    record = await scripts.run("""
        import os
        os.close(1); os.close(2)
        self.log("still heard")
        print("printed")
        """)
    assert record["state"] == "succeeded"
    assert await scripts.texts(record["pk"]) == ["still heard", "printed"]


async def test_a_pipeline_that_closes_every_descriptor_fails_and_says_why(
    scripts: Scripts,
) -> None:
    record = await scripts.run("import os; os.closerange(3, 4096)")
    assert record["failure_message"] == "The pipeline ended with exit code 1"
    assert any("pipe over which the run is heard" in text
               for text in await scripts.texts(record["pk"]))  # fmt: skip


async def test_garbage_in_the_message_pipe_is_shown_and_does_no_harm(scripts: Scripts) -> None:
    record = await scripts.run("""
        import os
        pipe = self._reporter._descriptor
        os.write(pipe, b'\\xff\\x00 no JSON at all\\n["usage", 1e999, -5]\\n[[[[\\n')
        os.write(pipe, b'["progress", 1e308, 1e308]\\n["usage", 1.0, 99999999999999999999]\\n')
        os.write(pipe, b'["t", "server", 1.0, "info", "not of the server"]\\n')
        self.log("after it")
        os.write(pipe, b'["done", without an end')
        def made():
            for number in range(3):
                path = tmpdir / f"{number}.txt"
                path.write_text("made")
                os.write(pipe, b'["output", without an end')
                yield path
        outputs = made()
        """)
    texts = await scripts.texts(record["pk"])
    assert record["state"] == "succeeded"
    assert len(record["outputs"]) == 3
    assert "after it" in texts
    assert any(text.startswith('["done", without an end') for text in texts)


async def test_a_pipeline_that_becomes_a_daemon_fails_and_the_daemon_is_reported(
    scripts: Scripts,
) -> None:
    record = await scripts.run("""
        import os, time
        ready, tell = os.pipe()
        if os.fork():
            os.read(ready, 1)
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        self.log(f"daemon {os.getpid()}")
        os.write(tell, b"x")
        for descriptor in range(256):
            try:
                os.close(descriptor)
            except OSError:
                pass
        time.sleep(600)
        """)
    pk = record["pk"]
    assert record["failure_message"] == "The pipeline ended with exit code 0"
    if sys.platform == "linux":
        [left] = [text for text in await scripts.texts(pk) if "left the run's session" in text]
        pid = int(left.split()[2])
        assert alive(pid)
        psutil.Process(pid).kill()


async def test_a_fork_that_comes_back_does_not_speak_for_the_run(scripts: Scripts) -> None:
    record = await scripts.run("""
        import os, sys
        child = os.fork()
        if not child:
            sys.exit(5)
        os.waitpid(child, 0)
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            self.log("the parent goes on")
        """)
    assert record["state"] == "succeeded"
    assert await scripts.texts(record["pk"]) == ["the parent goes on"]


@pytest.mark.parametrize(
    "script",
    [
        "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()",
        "import multiprocessing, time\n"
        "multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,)).start()",
        "import threading, time; threading._register_atexit(time.sleep, 600)",
    ],
    ids=["thread", "child", "atexit"],
)
async def test_what_goes_on_after_the_work_is_done_is_ended_and_the_work_counts(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(server.execution.attempt, "LINGER_SECONDS", 0.3)
    output = "outputs = [tmpdir / 'made.txt']; outputs[0].write_text('made')"
    record = await scripts.run(f"{script}\n{output}")
    assert (record["state"], record["failure_message"]) == ("succeeded", None)
    assert len(record["outputs"]) == 1
    [said] = await scripts.texts(record["pk"])
    assert said.startswith("It was done but did not end")
    assert record["resources"]["exit"] == f"signal 9 ({signal.SIGKILL.name})"


async def test_an_output_whose_path_is_none_fails_the_run_alone(scripts: Scripts) -> None:
    record = await scripts.run("""
        self._reporter.send("output", "no\\0path", "name", "DataProduct")
        self._reporter.send("done", 1)
        """)
    assert record["state"] == "failed"
    assert record["failure_message"].startswith("The outputs could not be stored")
    assert record["attempt"] == 1


async def test_a_lost_output_fails_the_run(scripts: Scripts) -> None:
    record = await scripts.run("""
        def made():
            send, reporter = os.write, self._reporter
            for number in range(3):
                path = tmpdir / f"{number}.txt"
                path.write_text("made")
                yield path
                os.write = lambda *given: len(given[1])  # the second goes nowhere
                if number:
                    os.write = send
        import os
        outputs = made()
        """)
    assert record["failure_message"] == (
        "The pipeline sent 3 outputs, but 2 were received; none was stored"
    )
    assert (record["state"], record["outputs"]) == ("failed", [])


async def test_memory_and_processor_time_are_those_of_the_whole_family(scripts: Scripts) -> None:
    record = await scripts.run("""
        import subprocess, sys
        code = "x = bytearray(200 * 2**20); sum(range(3 * 10**6))"
        subprocess.run([sys.executable, "-c", code], check=True)
        """)
    assert record["resources"]["peak_rss_bytes"] > 200 * 2**20
    assert record["resources"]["exit"] == "exit code 0"


async def test_a_run_says_which_process_it_is(scripts: Scripts) -> None:
    pk = await scripts.submit("""
        import os, subprocess, time
        self.log(f"pid {os.getpid()}")
        subprocess.run(["/bin/sh", "-c", "echo variable $PIPELINE_PROCESS"])
        while True:
            self.check_cancelled()
            time.sleep(0.01)
        """)
    pid = int(await scripts.said(pk, "pid"))
    record = await scripts.client.call(f"/api/processes/{pk}/")
    assert await scripts.said(pk, "variable") == record["identifier"]
    if sys.platform == "linux":
        assert psutil.Process(pid).name() == f"run-{pk}"
    await scripts.client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    await eventually(lambda: not alive(pid))
