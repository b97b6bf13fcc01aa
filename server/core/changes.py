"""What can change about a target, as topics of the hub: they carry no data, only that it changed.

What is told of them to viewers is left to `server.live.changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

#: The kinds of topics; the second part of each topic is the PK of the target.
TARGET, PRODUCTS, GROUPS, LIGHT_CURVE = "target_changed", "products", "groups", "lightcurve"
#: A process that is new or has changed, and one that was deleted: of the former, other servers hear
#: by its record.
PROCESSES, REMOVALS = "target", "removals"
#: What an outputs' appearance or deletion changes.
OUTPUTS = (PRODUCTS, GROUPS, LIGHT_CURVE)

#: The kind and the PK of the target.
Topic = tuple[str, int]
#: Takes a topic; `Hub.wake` is one.
Tell = Callable[[Topic], object]


def tell_nobody(topic: Topic) -> None:
    """Tell nobody: for parts that are used without a server."""


def tell_each(tell: Tell, targets: Iterable[int], *kinds: str) -> None:
    """Tell that these kinds have changed about each of the targets."""
    for target in set(targets):
        for kind in kinds:
            tell((kind, target))
