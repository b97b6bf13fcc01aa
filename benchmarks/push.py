"""What viewers of a log get: deliveries per second, and how long a line is on its way.

    python -m benchmarks.push [--rounds 5] [--frames 2000]

Fan-out: lines are appended one by one and pushed to all viewers, first without storing them, which
measures the fan-out alone, then with; the floor is Tornado's `write_message` of one ready-made
string to each, in the same process. A delivery is a frame at a viewer.
Flood: a pipeline logs as fast as it can, and 100 viewers follow. Latency: from before `log()` to
the viewer, for lines that come every 20 ms.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from statistics import median

import uvloop

from benchmarks.requests import call, make_target, submit, wait_for_end
from benchmarks.serving import Serving, serving
from benchmarks.tables import against, arguments, head, percentile, row
from benchmarks.viewers import END, Clocked, Flooded, Viewer, close, connect

VIEWERS = (10, 100, 1_000)
BARS = {100: 0.9}
FLOOD_LINES = 200_000


def main() -> None:
    """Measure, and print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--frames", type=int, default=1_000)
    parser.add_argument("--lines", type=int, default=FLOOD_LINES)
    given = parser.parse_args()
    with serving() as ports, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        head("push: deliveries/s", "floor", "ours", "ratio", "bar")
        for count in VIEWERS:
            frames = max(100, given.frames * 100 // max(count, 100))
            rates = [runner.run(_fan_out(ports, count, frames)) for _ in range(given.rounds)]
            floors, ours, stored = (list(each) for each in zip(*rates, strict=True))
            against(f"{count} viewers, one line a frame", floors, ours, BARS.get(count, ""))
            against(f"{count} viewers, each line stored first", floors, stored)
        head("flood with 100 viewers", "lines/s in", "out", "bar in", "bar out")
        rates_in = [runner.run(flood(ports, 100, given.lines)) for _ in range(given.rounds)]
        row("as fast as the pipeline logs", median(rates_in), 100 * median(rates_in), 80e3, 8e6)
        head("log() to viewer, ms", "p50", "p99", "bar p50", "bar p99")
        for count in (1, *VIEWERS):
            found = [runner.run(_latency(ports, count)) for _ in range(given.rounds)]
            p50, p99 = (median(each) for each in zip(*found, strict=True))
            row(f"{count} viewers", p50, p99, *((3, 10) if count == 1 else ()))


async def _fan_out(ports: Serving, count: int, frames: int) -> tuple[float, float, float]:
    """Return the deliveries per second: of the floor, of ours, and of ours with storing."""
    floor = await _rate(ports, [Viewer("/ws", frames) for _ in range(count)], "broadcast", frames)
    target, products = await _in_thread(make_target, ports.heliograph, "Fan-out")
    pk = await _in_thread(submit, ports.heliograph, "Waits", target, products)
    path = f"/ws/pipeline/logs/{pk}/"
    ours = []
    after = 0
    for stored in (False, True):
        # Lines that were not stored are missing for viewers who come later.
        viewers = [Viewer(f"{path}?after={after}", until=b"the last one") for _ in range(count)]
        ours.append(await _rate(ports, viewers, "append", pk, frames, stored))
        after += frames + 1
    await _in_thread(call, ports.heliograph, "POST", f"/api/processes/{pk}/cancel/")
    await _in_thread(wait_for_end, ports.heliograph, target)
    return floor, ours[0], ours[1]


async def _rate(ports: Serving, viewers: list[Viewer], command: str, *arguments: object) -> float:
    await connect(viewers, ports.bare if command == "broadcast" else ports.heliograph)
    await asyncio.sleep(0.2)
    begun = time.perf_counter()
    asked = _in_thread(ports.ask, command, *arguments)
    await asyncio.gather(asked, *(viewer.done for viewer in viewers))
    seconds = time.perf_counter() - begun
    delivered = sum(viewer.frames for viewer in viewers)
    close(viewers)
    return delivered / seconds


async def flood(ports: Serving, count: int, lines: int) -> float:
    """Return the lines per second, from the first viewer's start to the last viewer's end."""
    target, products = await _in_thread(make_target, ports.heliograph, "Flood", count=lines)
    pk = await _in_thread(submit, ports.heliograph, "Floods", target, products)
    viewers = [Flooded(f"/ws/pipeline/logs/{pk}/") for _ in range(count)]
    loop = asyncio.get_running_loop()
    for viewer in viewers:
        await loop.create_connection(partial(_itself, viewer), "127.0.0.1", ports.heliograph)
    await asyncio.gather(*(viewer.done for viewer in viewers))
    seconds = time.perf_counter() - min(viewer.begun for viewer in viewers)
    for viewer in viewers:
        viewer.transport.close()
    await _in_thread(wait_for_end, ports.heliograph, target)
    return lines / seconds


def _itself(viewer: Flooded) -> Flooded:
    return viewer


async def _latency(ports: Serving, count: int) -> tuple[float, float]:
    """Return p50 and p99 at one of the viewers, in milliseconds."""
    wanted = {"wait": 0.5 + count / 500, "count": 100, "pause": 0.02}
    target, products = await _in_thread(make_target, ports.heliograph, "Latency", **wanted)
    pk = await _in_thread(submit, ports.heliograph, "Ticks", target, products)
    path = f"/ws/pipeline/logs/{pk}/"
    clocked = Clocked(path)
    viewers = [*(Viewer(path, until=END) for _ in range(count - 1)), clocked]
    await connect(viewers, ports.heliograph)
    await asyncio.gather(*(viewer.done for viewer in viewers))
    close(viewers)
    return percentile(clocked.ages, 50), percentile(clocked.ages, 99)


_in_thread = asyncio.to_thread

if __name__ == "__main__":
    main()
