"""What has changed, by names alone: for pages, which ask the API what it is now.

Each kind of change has a number that grows with it. A viewer's cursor holds the numbers that it was
told of; so changes that follow each other fast are one, and nothing waits in a queue.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Awaitable, Callable, Hashable
from weakref import WeakValueDictionary

import msgspec

from server.core import changes
from server.core.hub import EVERYTHING, Hub
from server.live.feeds import Feeds, Step, Viewer
from server.live.websocket_frames import Frame, message

#: The least time between two frames: at most four a second.
PAUSE_SECONDS = 0.25
#: The word for each kind of change, in the order in which they are told.
WORDS = {
    changes.TARGET: "target",
    changes.PRODUCTS: "products",
    changes.GROUPS: "groups",
    changes.LIGHT_CURVE: "lightcurve",
    changes.PROCESSES: "processes",
    changes.REMOVALS: "processes",
}
_OF_PROCESSES = {changes.PROCESSES, changes.REMOVALS}
#: The words of who follows all targets, with the kinds that count for each: what a list shows of a
#: target, such as how many files it has, is part of it.
WORDS_OF_ALL = {"targets": WORDS.keys() - _OF_PROCESSES, "processes": _OF_PROCESSES}
#: Wakes who follows all targets.
ANYTHING = ("anything", 0)

_encode = msgspec.json.Encoder().encode
_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True, slots=True)
class _Cursor:
    """The number of each word's last change that was told; empty for who was told nothing."""

    told: tuple[int, ...] = ()


class _Changes:
    """The changes of one target, or of all; counted from when somebody follows them."""

    def __init__(
        self,
        words: tuple[str, ...],
        topics: tuple[Hashable, ...],
        check: Callable[[], Awaitable[object]],
    ) -> None:
        self.words = words
        self._topics = topics
        self._check = check
        self._numbers = dict.fromkeys(words, next(_numbers))

    @property
    def topics(self) -> tuple[Hashable, ...]:
        """The topics that stand for any of the changes."""
        return self._topics

    def note(self, *words: str) -> None:
        """Count a change of each of these words."""
        for word in words:
            self._numbers[word] = next(_numbers)

    async def step(self, cursor: _Cursor) -> Step:
        """Return the words of what has changed; raise NotFound when the target is gone."""
        now = tuple(self._numbers.values())
        if now == cursor.told:
            return Step(None, cursor)
        told = cursor.told or (0,) * len(now)
        what = [word for word, new, old in zip(self.words, now, told, strict=True) if new != old]
        if "target" in what:
            await self._check()
        frame = Frame(message(b'{"type":"changed","what":', _encode(what), b"}"))
        return Step(frame, _Cursor(now), pause=PAUSE_SECONDS)


class ChangeFeeds:
    """Who follows what changes. `check` raises NotFound for a target that is not there."""

    def __init__(self, hub: Hub, feeds: Feeds, check: Callable[[int], Awaitable[object]]) -> None:
        self._hub = hub
        self._feeds = feeds
        self._check = check
        #: what is followed just now, by the PK of the target, None for all
        self._followed: WeakValueDictionary[int | None, _Changes] = WeakValueDictionary()
        hub.listen(self._note)

    async def follow(self, target: int | None, viewer: Viewer) -> None:
        """Send all words at once, then those of what changes about a target or, if None, any.

        Raises NotFound when there is no such target, also when it is deleted in the meantime, and
        OSError when the viewer is gone.
        """
        feed = self._feeds.of(("changes", target), lambda: self._source(target))
        await feed.serve(viewer, _Cursor())

    def _source(self, target: int | None) -> _Changes:
        if target is None:
            made = _Changes(tuple(WORDS_OF_ALL), (ANYTHING,), _nothing)
        else:
            topics = tuple((kind, target) for kind in WORDS)
            made = _Changes(
                tuple(dict.fromkeys(WORDS.values())), topics, lambda: self._check(target)
            )
        self._followed[target] = made
        return made

    def _note(self, topic: Hashable) -> None:
        """Count a change of any topic; most are of none that is followed."""
        if not self._followed or not isinstance(topic, tuple):
            return
        if topic == EVERYTHING:
            for followed in list(self._followed.values()):
                followed.note(*followed.words)
        elif topic[0] in WORDS:
            self._note_kind(*topic)

    def _note_kind(self, kind: str, target: int) -> None:
        if one := self._followed.get(target):
            one.note(WORDS[kind])
        if every := self._followed.get(None):
            every.note(*(word for word, kinds in WORDS_OF_ALL.items() if kind in kinds))
            self._hub.wake(ANYTHING)


async def _nothing() -> None:
    """Check nothing: all targets together are always there."""
