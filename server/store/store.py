"""All collections of one database, each under the name of what it keeps."""

from __future__ import annotations

from typing import Self

from server.store import counts
from server.store.access.sessions import Sessions
from server.store.access.shares import Shares
from server.store.access.signing_keys import SigningKeys
from server.store.access.tickets import Tickets
from server.store.access.tokens import Tokens
from server.store.access.wrong_secrets import WrongSecrets
from server.store.archive.activity import Activity
from server.store.archive.groups import Groups
from server.store.archive.journal import Journal
from server.store.archive.light_curves import Imports, LightCurves
from server.store.archive.old_sites import OldRecords, OldSites
from server.store.archive.products import DataProducts
from server.store.archive.target_words import TargetWords
from server.store.archive.targets import Targets
from server.store.counters import Counters
from server.store.driver.connection import Database
from server.store.installation import Installation
from server.store.notifications.deliveries import Deliveries
from server.store.peers.announcements import Announcements
from server.store.peers.heartbeats import Servers
from server.store.peers.locks import Locks
from server.store.processes.film_frames import FilmFrames
from server.store.processes.idempotency_keys import Submissions
from server.store.processes.log_chunks import LogChunks
from server.store.processes.log_segments import LogSegments
from server.store.processes.receipts import Receipts
from server.store.processes.records import ProcessStore
from server.store.processes.sections import Sections


class Store:
    """The collections of a database."""

    def __init__(self, database: Database) -> None:
        self.installation = Installation(database)
        self.counters = Counters(database)
        self.targets = Targets(database)
        self.activity = Activity(database)
        self.target_words = TargetWords(database)
        self.products = DataProducts(database)
        self.groups = Groups(database)
        self.processes = ProcessStore(database)
        self.logs = LogChunks(database)
        self.segments = LogSegments(database)
        self.light_curves = LightCurves(database)
        self.imports = Imports(database)
        self.old_sites = OldSites(database)
        self.old_records = OldRecords(database)
        self.journal = Journal(database)
        self.receipts = Receipts(database)
        self.sections = Sections(database)
        self.film_frames = FilmFrames(database)
        self.servers = Servers(database)
        self.locks = Locks(database)
        self.submissions = Submissions(database)
        self.announcements = Announcements(database)
        self.tokens = Tokens(database)
        self.sessions = Sessions(database)
        self.wrong_secrets = WrongSecrets(database)
        self.tickets = Tickets(database)
        self.shares = Shares(database)
        self.signing_keys = SigningKeys(database)
        self.deliveries = Deliveries(database)

    def note_shared(self) -> None:
        """Note that other servers may write to the database, so that counts are cached shortly."""
        self.processes.counts.cached_seconds = counts.SHARED_SECONDS
        self.products.counts.cached_seconds = counts.SHARED_SECONDS

    @classmethod
    async def open(cls, database: Database) -> Self:
        """Return the store of a database once all its indexes are there."""
        store = cls(database)
        for collection in vars(store).values():
            await collection.ensure_indexes()
        return store
