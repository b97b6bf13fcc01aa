"""Nights of observing: what astronomers do at random while servers come and go.

They submit, also twice at once, read along, cancel, run again and delete; whatever they are
promised is kept. The seed decides what is done, but not when it happens.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.reliability.tools.invariants import ENDLESS, Promises
from tests.reliability.tools.observer import Observer, Record, new_key
from tests.reliability.tools.serving import Client

#: How often each action is chosen, out of a hundred: pipelines by name, and other actions.
WORKS = {
    "Quick": 42,
    "Makes": 20,
    "Forks": 6,
    "Fails": 8,
    "Dies": 3,
    "Floods": 1,
    "Waits": 4,
    "cancel at once": 6,
    "run again": 4,
    "upload": 2,
    "delete": 2,
    "delete an output": 2,
}
#: The shares of submits that are made twice at once, and whose log is read along.
TWICE, READ = 0.05, 0.04
#: Processes that an astronomer may have in progress at once, and submits in one night.
OPEN_LIMIT, SUBMITS = 6, 20
CANCEL_SECONDS, LOOK_SECONDS = 0.5, 0.05
PAGE = 500


@dataclass
class Tally:
    """How much is left to submit, and how much was seen to end."""

    left: int
    ended: int = 0
    twice: int = 0
    promises: Promises = field(default_factory=Promises)
    #: what is to be submitted later, once `release` gives it out
    held: int = 0

    def release(self, count: int) -> None:
        """Give out so much of what was held, or the rest."""
        count = min(count, self.held)
        self.held, self.left = self.held - count, self.left + count

    async def take(self, most: int) -> int:
        """Take up to this many submits for a night, when there are any; return how many."""
        while self.held and not self.left:
            await asyncio.sleep(LOOK_SECONDS)
        taken = min(most, self.left)
        self.left -= taken
        return taken


async def observe(
    client: Client,
    number: int,
    seed: int,
    tally: Tally,
    works: Mapping[str, int] = WORKS,
    submits_of_a_night: int = SUBMITS,
) -> None:
    """Observe night after night, until there is nothing left to submit."""
    chance, nights = random.Random(f"{seed} {number}"), 0
    while submits := await tally.take(submits_of_a_night):
        nights += 1
        observer = Observer(client, tally.promises, patience_seconds=client.patience_seconds)
        await observer.begin(f"night-{number:03}-{nights:05}")
        await Night(observer, chance, tally, works).work(submits)


class Night:
    """One night on a target of its own."""

    def __init__(
        self, observer: Observer, chance: random.Random, tally: Tally, works: Mapping[str, int]
    ) -> None:
        self._works = works
        self._observer = observer
        self._chance = chance
        self._tally = tally
        self._products: list[int] = []
        self._open: set[int] = set()
        #: what has ended and has not been deleted
        self._ended: dict[int, Record] = {}
        self._reading: set[int] = set()
        self._seen = asyncio.Event()
        self._aside = asyncio.TaskGroup()

    async def work(self, submits: int) -> None:
        """Submit this much, and wait until all of it has ended."""
        self._products = await self._observer.upload("a.fits", "b.fits")
        works, weights = list(self._works), list(self._works.values())
        async with self._aside:
            watching = self._aside.create_task(self._watch())
            while submits:
                submits -= await self._do(self._chance.choices(works, weights)[0])
                await self._until_open_are(OPEN_LIMIT - 1)
            await self._until_open_are(0)
            watching.cancel()

    async def _do(self, work: str) -> bool:
        """Do one of the actions; return whether a process was submitted."""
        match work:
            case "Waits" | "LocalWaits":
                names = ("stubborn", "family") if self._chance.random() < 0.05 else ("family",)
                self._cancel_soon(await self._submit(work, **dict.fromkeys(names, True)))
            case "cancel at once":
                self._cancel_soon(await self._submit("Makes", slow=True))
            case "run again":
                return await self._run_again()
            case "upload":
                await self._observer.upload("more.fits")
                return False
            case "delete":
                await self._delete()
                return False
            case "delete an output":
                await self._delete_output()
                return False
            case pipeline:
                await self._submit(pipeline)
        return True

    async def _submit(self, pipeline: str, **flags: bool) -> int:
        key, times = new_key(pipeline), 2 if self._chance.random() < TWICE else 1
        products = self._chance.sample(self._products, self._chance.randint(1, 2))
        submit = self._observer.submit_as
        made = await asyncio.gather(
            *(submit(key, pipeline, products, **flags) for _ in range(times))
        )
        assert len(set(made)) == 1, f"the key {key} made {made}"
        self._tally.twice += times - 1
        self._open.add(made[0])
        if self._chance.random() < READ:
            self._reading.add(made[0])
            self._aside.create_task(self._observer.read(made[0]))
        return made[0]

    def _cancel_soon(self, pk: int) -> None:
        self._aside.create_task(self._cancel(pk, self._chance.uniform(0, CANCEL_SECONDS)))

    async def _cancel(self, pk: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._observer.cancel(pk)

    async def _run_again(self) -> bool:
        if not (old := self._chosen()):
            return False
        pk = await self._observer.rerun(old)
        self._open.add(pk)
        if self._ended[old]["pipeline"] in ENDLESS:
            self._cancel_soon(pk)
        return True

    async def _delete(self) -> None:
        if pk := self._chosen():
            del self._ended[pk]
            await self._observer.delete(pk)

    async def _delete_output(self) -> None:
        if (pk := self._chosen()) and (outputs := self._ended[pk]["outputs"]):
            product = outputs.pop(self._chance.randrange(len(outputs)))
            await self._observer.delete_product(product, pk)

    def _chosen(self) -> int:
        """Return one of the ended processes, 0 if there are none."""
        return self._chance.choice([0, *(self._ended.keys() - self._reading)])

    async def _watch(self) -> None:
        """Note what has ended, all of it at each look."""
        client, path = self._observer.client, f"/api/processes/?target={self._observer.target}"
        while True:
            for record in (await client.call(f"{path}&limit={PAGE}"))["processes"]:
                if record["pk"] in self._open and record["terminal_timestamp"] is not None:
                    self._note(record)
            await asyncio.sleep(LOOK_SECONDS)

    def _note(self, record: Record) -> None:
        self._open.remove(record["pk"])
        self._ended[record["pk"]] = record
        self._observer.promises.ended[record["pk"]] = dict(record)
        self._tally.ended += 1
        self._seen.set()

    async def _until_open_are(self, few: int) -> None:
        """Wait until no more than this many are in progress."""
        async with asyncio.timeout(self._observer.patience_seconds):
            while len(self._open) > few:
                self._seen.clear()
                await self._seen.wait()
