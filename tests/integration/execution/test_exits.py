"""How a pipeline that exits by itself ends, its `atexit` handlers, and what `logging` keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.config import PipelineEntry
from server.config.sections import Pool
from tests.integration.conftest import SAMPLES, Client, serving
from tests.integration.scripts import Scripts, scripted_config

pytestmark = pytest.mark.gen_test(timeout=50)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripts]:
    """Yield scripts on a server of this module, also as a pipeline that keeps DEBUG."""
    config = scripted_config(
        tmp_path_factory.mktemp("exits"),
        {"Debugging": {"log_level": "debug"}, "Quiet": {"log_level": "error"}},
    )
    with serving(config) as running:
        yield Scripts(Client(running.url))


@pytest.mark.slow
@pytest.mark.parametrize("given", ["", "0", "None", "False", "256"])
async def test_an_exit_without_a_code_ends_a_run_well(scripts: Scripts, given: str) -> None:
    record = await scripts.run(f"import sys; print('before'); sys.exit({given})")
    assert (record["state"], record["failure_message"]) == ("succeeded", None)
    assert record["resources"]["exit"] == "exit code 0"
    assert await scripts.texts(record["pk"]) == ["before"]


@pytest.mark.parametrize(
    ("given", "message", "code"),
    [
        ("'no stars in the field'", "no stars in the field", 1),
        ("['a', 2]", "['a', 2]", 1),
        ("''", "The pipeline ended with exit code 1", 1),
        ("7", "The pipeline ended with exit code 7", 7),
        ("-1", "The pipeline ended with exit code 255", 255),
        ("True", "The pipeline ended with exit code 1", 1),
    ],
)
async def test_an_exit_with_a_code_or_words_fails_the_run(
    scripts: Scripts, given: str, message: str, code: int
) -> None:
    record = await scripts.run(f"import sys; sys.exit({given})")
    assert (record["state"], record["failure_message"]) == ("failed", message)
    assert record["resources"]["exit"] == f"exit code {code}"
    assert await scripts.texts(record["pk"]) == [message]


@pytest.mark.parametrize("end", ["pass", "raise ValueError(5)", "import sys; sys.exit('words')"])
async def test_handlers_of_atexit_run_and_what_they_say_is_kept(scripts: Scripts, end: str) -> None:
    record = await scripts.run(f"""
        import atexit, logging, sys, threading, time
        atexit.register(lambda: sys.stdout.buffer.write(b"cut \\xe2"))
        atexit.register(print, "printed", 1)
        atexit.register(self.log, "logged")
        atexit.register(logging.info, "by logging")
        thread = threading.Thread(target=lambda: (time.sleep(0.05), print("a thread")))
        thread.start()
        {end}
        """)
    said = [text for text in await scripts.texts(record["pk"]) if text != record["failure_message"]]
    assert said[-5:] == ["a thread", "by logging", "logged", "printed 1", "cut \ufffd"]


async def test_a_fork_that_exits_ends_with_its_code_and_handlers(scripts: Scripts) -> None:
    record = await scripts.run("""
        import atexit, os, sys
        run = os.getpid()
        atexit.register(lambda: print("handler of", "run" if os.getpid() == run else "fork"))
        outputs = [tmpdir / "made"]
        outputs[0].write_text("made")
        fork = os.fork()
        if not fork:
            sys.exit(5)
        self.log(os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]))
        other = os.fork()  # returns the outputs, too
        if other:
            self.log(os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]))
        """)
    assert (record["state"], len(record["outputs"])) == ("succeeded", 1)
    fork, run = "handler of fork", "handler of run"
    assert await scripts.texts(record["pk"]) == [fork, "5", fork, "0", run]


async def test_logging_keeps_info_and_names_the_logger(scripts: Scripts) -> None:
    record = await scripts.run("""
        import logging, warnings
        logging.debug("hidden"); logging.info("root's")
        library = logging.getLogger("a.library")
        library.debug("flood"); library.warning("of it\\nand more")
        """)
    lines = [(level, text) for _, _, level, text, *_ in await scripts.client.lines(record["pk"])]
    assert lines == [("info", "root's"), ("warning", "a.library: of it"), ("warning", "and more")]


@pytest.mark.parametrize(("pipeline", "kept"), [("Debugging", 4), ("Scripted", 3), ("Quiet", 1)])
async def test_the_level_of_a_pipeline_is_heeded_also_in_its_children(
    scripts: Scripts, pipeline: str, kept: int
) -> None:
    record = await scripts.run(
        """
        import logging, multiprocessing
        for method in ("fork", "spawn"):
            context = multiprocessing.get_context(method)
            for say in (logging.debug, logging.info, logging.warning, logging.error):
                child = context.Process(target=say, args=(method,))
                child.start(); child.join()
        """,
        pipeline,
    )
    texts = await scripts.texts(record["pk"])
    assert [texts.count("fork"), texts.count("spawn")] == [kept, kept]


async def test_basic_config_of_an_author_is_heeded_once(scripts: Scripts) -> None:
    record = await scripts.run("""
        import logging
        logging.basicConfig(level=logging.DEBUG, format="[%(name)s] %(message)s")
        logging.basicConfig(level=logging.ERROR, format="second")
        logging.getLogger("mine").debug("shown")
        logging.basicConfig(level=logging.ERROR, format="%(message)s!", force=True)
        logging.warning("hidden"); logging.error("forced")
        """)
    lines = [(level, text) for _, _, level, text, *_ in await scripts.client.lines(record["pk"])]
    assert lines == [("debug", "[mine] shown"), ("error", "forced!")]


async def test_basic_config_with_a_file_writes_the_file_and_the_log(scripts: Scripts) -> None:
    record = await scripts.run("""
        import logging
        logging.basicConfig(filename=tmpdir / "my.log", format="%(levelname)s %(message)s")
        logging.error("both")
        self.log((tmpdir / "my.log").read_text().strip())
        """)
    assert await scripts.texts(record["pk"]) == ["both", "ERROR both"]


async def test_a_module_that_broke_after_the_submit_says_so(tmp_path: Path) -> None:
    module = tmp_path / "breaking_soon.py"
    module.write_text("from runners import PipelineProcess\nclass Breaking(PipelineProcess): ...\n")
    config = scripted_config(tmp_path / "data")
    entries = {**config.pipelines, "Breaking": PipelineEntry(path="breaking_soon.Breaking")}
    (tmp_path / "scripted.py").symlink_to(SAMPLES / "scripted.py")
    config = replace(config, folder=tmp_path, pool=Pool(workers=1), pipelines=entries)
    with serving(config) as running:
        scripts = Scripts(Client(running.url))
        first = await scripts.submit(f"""
            import time, pathlib
            while not pathlib.Path({str(tmp_path / "go")!r}).exists():
                time.sleep(0.01)
            """)
        queued = await scripts.submit("", "Breaking")
        module.write_text("x = 1\ndef f(:\n")
        (tmp_path / "go").touch()
        assert (await scripts.client.ended(first))["state"] == "succeeded"
        record = await scripts.client.ended(queued)
        texts = await scripts.texts(queued)
    assert record["state"] == "failed"
    assert "invalid syntax (breaking_soon.py, line 2)" in record["failure_message"]
    assert texts[-1] == record["failure_message"]


async def test_the_standard_streams_have_what_text_streams_have(scripts: Scripts) -> None:
    record = await scripts.run("""
        import io, sys
        for stream, name in ((sys.stdout, "<stdout>"), (sys.stderr, "<stderr>")):
            plain = {each for each in dir(io.TextIOWrapper) if not each.startswith("_")}
            missing = [each for each in plain - {"detach"} if not hasattr(stream, each)]
            stream.reconfigure(line_buffering=True, encoding="utf-8", errors="strict")
            facts = (stream.name, stream.mode, stream.encoding, stream.isatty(), stream.closed)
            assert facts == (name, "w", "utf-8", False, False), facts
            assert (stream.line_buffering, stream.buffer.mode) == (True, "wb")
            assert stream.fileno() == stream.buffer.fileno() == stream.buffer.raw.fileno()
            assert not missing, missing
            for wrong in (lambda: stream.write(b"x"), lambda: stream.buffer.write("x"),
                          lambda: stream.reconfigure(colour=True)):
                try:
                    wrong()
                except TypeError:
                    pass
                else:
                    raise AssertionError
        print("text,", end=" ")
        sys.stdout.buffer.write("bytes \\u00e9,".encode()[:-2])
        sys.stdout.buffer.write(b"\\xa9,")
        print(" text", file=sys.__stdout__)
        """)
    assert await scripts.texts(record["pk"]) == ["text, bytes \u00e9, text"]
    assert record["state"] == "succeeded"


async def test_an_unended_text_is_seen_while_the_run_says_nothing_else(scripts: Scripts) -> None:
    pk = await scripts.submit(
        """
        import time
        self.log("Measuring", end="")
        while True:
            self.check_cancelled()
            time.sleep(0.02)
        """
    )
    async with asyncio.timeout(20):
        while await scripts.texts(pk) != ["Measuring"]:
            await asyncio.sleep(0.02)
    await scripts.client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    await scripts.client.ended(pk)
    [first, *_] = await scripts.client.lines(pk)
    assert first[3:] == ["Measuring", True]
