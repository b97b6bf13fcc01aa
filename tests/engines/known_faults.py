"""What each engine is known to get wrong, by the names of the tests that show it.

Each of these tests must fail on that engine, but for those that measure: one that passes there is
an error too, so that this list, and the table in docs/databases.md that names the same tests, stay
true.
"""

from __future__ import annotations

import os

EMBEDDED, SECANTUS, JAVA = "embedded", "secantus", "mongo-java-server"
#: The engine behind HELIOGRAPH_TEST_MONGODB_URI; by default a MongoDB, of which no fault is known.
NAMED = os.environ.get("HELIOGRAPH_TEST_ENGINE", "mongodb")

#: Tests that measure, which a busy machine may let pass.
MEASURING = {"test_no_operation_slows_down_as_records_pile_up"}

#: Why the test fails, by its name, for each engine.
KNOWN_FAULTS: dict[str, dict[str, str]] = {
    EMBEDDED: {
        "test_it_says_that_it_is_a_replica_set": "a single server by its own account",
    },
    SECANTUS: {
        "test_each_of_many_upserts_at_once_answers_with_the_document": "some answer null",
        "test_no_operation_slows_down_as_records_pile_up": "findAndModify reads the collection",
    },
    JAVA: {
        "test_it_says_that_it_is_a_replica_set": "a single server",
        "test_what_changes_can_be_watched": "no change streams",
        "test_no_operation_slows_down_as_records_pile_up": "ranges read the collection",
    },
}
