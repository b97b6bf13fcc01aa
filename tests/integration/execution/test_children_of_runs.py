"""What forks, threads and other children of a run say is told whole, whatever ends them."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Client, serving
from tests.integration.scripts import Scripts, scripted_config

pytestmark = pytest.mark.gen_test(timeout=50)

#: The functions of the children, in a module of an author.
CHILDREN = """
import logging, os, sys, time

def line(name, number, size):
    return f"{name}-{number} ".ljust(size - 1, "abcdefgh"[number % 8]) + "."

def say(pipeline, name, count, size):
    for number in range(count):
        pipeline.log(line(f"log-{name}", number, size))
        print(line(f"print-{name}", number, size))
        sys.stdout.buffer.write(line(f"bytes-{name}", number, size).encode() + b"\\n")
        logging.info(line(f"logging-{name}", number, size))

def said(names, count, size):
    ways = ("log", "print", "bytes", "logging")
    return [line(f"{way}-{name}", number, size)
            for name in names for way in ways for number in range(count)]

def print_lines(name, count, size, barrier):
    barrier.wait()
    for number in range(count):
        print(line(name, number, size))

def print_and_wait(name, size):
    print(line(name, 0, size))
    sys.stderr.write("begun")
    time.sleep(600)
"""
SIZES = [50, 5_000, pytest.param(65_536, marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripts]:
    """Yield scripts on a server of this module, with the children's module on the import path."""
    folder = tmp_path_factory.mktemp("authors")
    (folder / "children_of_a_run.py").write_text(textwrap.dedent(CHILDREN))
    sys.path.insert(0, str(folder))
    with serving(scripted_config(tmp_path_factory.mktemp("children"))) as running:
        yield Scripts(Client(running.url))
    sys.path.remove(str(folder))


def script_of(folder_line: str) -> str:
    """Return a script that has the children's module at hand."""
    [folder] = [path for path in sys.path if Path(path, "children_of_a_run.py").exists()]
    return f"import sys; sys.path.insert(0, {folder!r})\n{textwrap.dedent(folder_line)}"


def expected(names: list[str], count: int, size: int) -> Counter[str]:
    """Return the lines that these children say."""
    [folder] = [path for path in sys.path if Path(path, "children_of_a_run.py").exists()]
    spec = importlib.util.spec_from_file_location(
        "children_of_a_run", Path(folder, "children_of_a_run.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Counter(module.said(names, count, size))


WAYS = {
    "forks by hand": """
        import os
        pids = []
        for name in "0123":
            if not (pid := os.fork()):
                say(self, name, COUNT, SIZE)
                os._exit(0)
            pids.append(pid)
        for pid in pids:
            os.waitpid(pid, 0)
        """,
    "threads": """
        import threading
        threads = [threading.Thread(target=say, args=(self, n, COUNT, SIZE)) for n in "0123"]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """,
    **{
        method: f"""
        import multiprocessing
        context = multiprocessing.get_context("{method}")
        children = [context.Process(target=say, args=(self, n, COUNT, SIZE)) for n in "0123"]
        for child in children: child.start()
        for child in children: child.join()
        """
        for method in ("fork", "spawn", "forkserver")
    },
    "executor": """
        import functools
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(4) as pool:
            list(pool.map(functools.partial(say, self, count=COUNT, size=SIZE), "0123"))
        """,
    "joblib": """
        import joblib
        joblib.Parallel(4)(joblib.delayed(say)(self, name, COUNT, SIZE) for name in "0123")
        """,
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", WAYS)
async def test_each_line_of_children_that_speak_at_once_is_whole(
    scripts: Scripts, way: str, size: int
) -> None:
    if way == "joblib":
        pytest.importorskip("joblib", reason="joblib is not installed")
    count = 10 if size > 10_000 else 100
    body = textwrap.dedent(WAYS[way]).replace("COUNT", str(count)).replace("SIZE", str(size))
    script = (
        "from children_of_a_run import say\n"
        f"{body}\n"
        "outputs = [tmpdir / f'{n}.txt' for n in range(20)]\n"
        "for path in outputs: path.write_text('made')"
    )
    record = await scripts.run(script_of(script))
    assert Counter(await scripts.texts(record["pk"])) == expected(list("0123"), count, size)
    assert (record["state"], len(record["outputs"])) == ("succeeded", 20)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
async def test_children_need_not_know_the_pipeline_to_print_whole_lines(
    scripts: Scripts, method: str
) -> None:
    record = await scripts.run(
        script_of(f"""
        import multiprocessing
        from children_of_a_run import print_lines
        context = multiprocessing.get_context("{method}")
        barrier = context.Barrier(2)
        given = [(name, 200, 9_000, barrier) for name in "ab"]
        children = [context.Process(target=print_lines, args=args) for args in given]
        for child in children: child.start()
        for child in children: child.join()
        """)
    )
    texts = await scripts.texts(record["pk"])
    assert Counter((text[0], len(text)) for text in texts) == {("a", 9_000): 200, ("b", 9_000): 200}


async def test_outputs_arrive_while_forks_write_and_are_killed(scripts: Scripts) -> None:
    record = await scripts.run(
        script_of("""
        import os, signal, random
        def chatter():
            while True:
                self.log("x" * random.choice([10, 4090, 4200, 60_000]))
        outputs = []
        for number in range(30):
            if not (fork := os.fork()):
                chatter()
            outputs.append(tmpdir / ("o" * 200 + str(number)))
            outputs[-1].write_text("made")
            os.kill(fork, signal.SIGKILL)
            os.waitpid(fork, 0)
        """)
    )
    assert (record["state"], len(record["outputs"])) == ("succeeded", 30)
    texts = await scripts.texts(record["pk"])
    assert {text.strip("x") for text in texts} <= {""}


async def test_a_fork_never_waits_for_what_a_thread_held(scripts: Scripts) -> None:
    record = await scripts.run("""
        import logging, os, threading, time
        going = True
        def chatter():
            while going:
                self.log("y" * 6_000)
                logging.info("y")
                print("y")
                time.sleep(0.001)  # leaves the interpreter to the forks' parent
        threads = [threading.Thread(target=chatter) for _ in range(3)]
        for thread in threads: thread.start()
        for number in range(40):
            if not (fork := os.fork()):
                self.log(f"log {number}"); print("print", number); logging.info("info %s", number)
                os._exit(0)
            os.waitpid(fork, 0)
        going = False
        """)
    assert record["state"] == "succeeded"
    texts = Counter(await scripts.texts(record["pk"]))
    assert [texts[f"{way} {n}"] for way in ("log", "print", "info") for n in range(40)] == [1] * 120
    assert {text.strip("y") for text in texts} == {""} | {
        f"{way} {n}" for way in ("log", "print", "info") for n in range(40)
    }


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
async def test_what_a_child_printed_before_it_was_killed_is_there(
    scripts: Scripts, method: str
) -> None:
    pk = await scripts.submit(
        script_of(f"""
        import multiprocessing
        from children_of_a_run import print_and_wait
        context = multiprocessing.get_context("{method}")
        child = context.Process(target=print_and_wait, args=("alone", 30_000))
        child.start()
        self.log(f"pid {{child.pid}}")
        child.join()
        """)
    )
    pid = int(await scripts.said(pk, "pid"))
    assert len(await scripts.said(pk, "alone-0")) > 29_000
    os.kill(pid, signal.SIGKILL)
    assert (await scripts.client.ended(pk))["state"] == "succeeded"


async def test_what_a_python_program_prints_comes_when_it_prints_it(scripts: Scripts) -> None:
    pk = await scripts.submit("""
        import subprocess, sys
        code = "import os, sys; print('program', os.getpid()); sys.stdin.read()"
        program = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
        program.wait()
        """)
    os.kill(int(await scripts.said(pk, "program")), signal.SIGKILL)
    assert (await scripts.client.ended(pk))["state"] == "succeeded"


async def test_multiprocessing_is_as_in_a_script(scripts: Scripts) -> None:
    facts = """
        import multiprocessing as m, os, sys
        facts = [m.get_start_method(allow_none=True), m.current_process().name,
            m.current_process().daemon, m.parent_process(), m.get_start_method()]
        """
    plain = textwrap.dedent(facts) + "print(facts)"
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", plain, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await program.communicate()
    record = await scripts.run(
        textwrap.dedent(facts)
        + "print(facts)\nm.set_start_method('spawn', force=True)\nprint(m.get_start_method())"
    )
    assert await scripts.texts(record["pk"]) == [out.decode().strip(), "spawn"]


async def test_the_start_method_can_be_set_once(scripts: Scripts) -> None:
    record = await scripts.run("""
        import multiprocessing
        multiprocessing.set_start_method("spawn")
        print(multiprocessing.get_start_method())
        """)
    assert await scripts.texts(record["pk"]) == ["spawn"]


async def test_the_pipeline_is_at_hand_in_a_program_that_unpickles_it(scripts: Scripts) -> None:
    record = await scripts.run("""
        import pickle, subprocess, sys
        code = '''
        import pickle, sys
        sys.path[:] = eval(sys.argv[1])
        pipeline = pickle.load(sys.stdin.buffer)
        pipeline.log("z" * 10_000)
        with pipeline.update_status("In the program"):
            print(pipeline.target.name, pipeline.input_files.count())
        '''
        import textwrap
        subprocess.run([sys.executable, "-c", textwrap.dedent(code), repr(sys.path)],
            input=pickle.dumps(self), check=True)
        """)
    assert record["state"] == "succeeded"
    assert record["status"] == "created"
    assert await scripts.texts(record["pk"]) == ["z" * 10_000, "Script 1"]


async def test_a_child_whose_output_leads_elsewhere_keeps_it(scripts: Scripts) -> None:
    record = await scripts.run("""
        import pickle, subprocess, sys, textwrap
        code = '''
        import pickle, sys
        sys.path[:] = eval(sys.argv[1])
        pipeline = pickle.load(sys.stdin.buffer)
        print("captured")
        pipeline.log("logged")
        '''
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), repr(sys.path)],
            input=pickle.dumps(self), check=True, capture_output=True)
        self.log(repr(done.stdout))
        """)
    assert await scripts.texts(record["pk"]) == ["logged", repr(b"captured\n")]


async def test_a_pickled_pipeline_prints_where_the_run_cannot_be_reached(
    scripts: Scripts,
) -> None:
    record = await scripts.run("""
        import os, pickle, subprocess, sys, textwrap
        code = '''
        import pickle, sys
        sys.path[:] = eval(sys.argv[1])
        pipeline = pickle.load(sys.stdin.buffer)
        pipeline.log("printed")
        '''
        del os.environ["PIPELINE_MESSAGES"]
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), repr(sys.path)],
            input=pickle.dumps(self), check=True, capture_output=True)
        self.log(repr(done.stdout))
        """)
    assert await scripts.texts(record["pk"]) == [repr(b"printed\n")]
