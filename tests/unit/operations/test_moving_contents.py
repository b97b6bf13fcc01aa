"""Two databases are compared by counts and checksums of their documents."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.operations.moving.contents import BATCH, BATCH_BYTES, Digest, canonical, in_batches

_VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_DOCUMENTS = st.dictionaries(st.text(max_size=3), _VALUES | st.lists(_VALUES, max_size=3))


def digest_of(documents: list[Any]) -> Digest:
    """Return the digest of documents."""
    digest = Digest()
    for document in documents:
        digest.add(canonical(document))
    return digest


@given(st.lists(_DOCUMENTS, max_size=8), st.randoms(use_true_random=False))
def test_no_order_counts(documents: list[dict[str, Any]], chance: random.Random) -> None:
    others = [dict(reversed(each.items())) for each in documents]
    chance.shuffle(others)
    assert digest_of(others) == digest_of(documents)


@given(st.lists(_DOCUMENTS, min_size=1, max_size=8), st.data())
def test_whatever_is_lost_doubled_or_changed_counts(
    documents: list[dict[str, Any]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(documents) - 1))
    whole = digest_of(documents)
    assert digest_of(documents[:at] + documents[at + 1 :]) != whole
    assert digest_of([*documents, documents[at]]) != whole
    changed = documents[at] | {"changed": 1}
    assert digest_of([*documents[:at], changed, *documents[at + 1 :]]) != whole


def test_numbers_of_another_kind_are_another_document() -> None:
    kinds = [{"a": 1}, {"a": 1.0}, {"a": True}, {"a": "1"}, {"a": None}, {}]
    assert len({canonical(each) for each in kinds}) == len(kinds)


def test_batches_are_bounded_by_count_and_by_size() -> None:
    small = [{"_id": number} for number in range(2 * BATCH + 1)]
    assert [len(batch) for batch in in_batches(small)] == [BATCH, BATCH, 1]
    large = [{"_id": number, "text": "x" * (BATCH_BYTES // 2)} for number in range(5)]
    assert [len(batch) for batch in in_batches(large)] == [2, 2, 1]
    assert list(in_batches([])) == []
