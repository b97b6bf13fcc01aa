"""The archive: puts its parts together and hands them out to handlers and runs.

Each part joins records of the store with bytes in storage, or keeps the two in step.
"""

from __future__ import annotations

from collections.abc import Callable

from server.archive.derived.activity import Activity
from server.archive.derived.old_urls import OldUrls
from server.archive.files.examination import Examine
from server.archive.groups import Groups
from server.archive.light_curves import LightCurves
from server.archive.light_curves.origin import Origins
from server.archive.outputs import OutputPublisher
from server.archive.products import DataProducts
from server.archive.rollback import Rollback
from server.archive.storage import FileStorage
from server.archive.targets import Targets
from server.archive.transactions import FileTransactions
from server.archive.uploads import UploadLimits
from server.archive.visibility import Visibility
from server.core.changes import Tell, tell_nobody
from server.core.disk.data_folder import DataFolder
from server.core.hub import Hub
from server.core.records import ProcessRecord
from server.store import Store


class Archive:
    """Targets, data products, groups, light curves and the outputs of runs.

    `changed` is called with each process record that no longer names a deleted output or group,
    `gone` with the PK of each deleted target, `deleted` with the PK of each process that has been
    deleted completely, `tell` with the topic of each change of what can be seen. Of all changes,
    `hub` wakes the topics. `prefix` is that of the URLs which are shown.
    """

    def __init__(
        self,
        store: Store,
        files: FileStorage,
        data_folder: DataFolder,
        examine: Examine,
        limits: UploadLimits,
        changed: Callable[[ProcessRecord], object] = lambda record: None,
        gone: Callable[[int], object] = lambda target: None,
        deleted: Callable[[int], object] = lambda process: None,
        prefix: str = "",
        tell: Tell = tell_nobody,
        hub: Hub | None = None,
    ) -> None:
        server, visibility = data_folder.server_id, Visibility(store)
        self.rollback = Rollback(store, files, server, changed, deleted, tell)
        self.transactions = FileTransactions(store, files, server, examine, self.rollback)
        self.targets = Targets(store, self.transactions, gone, tell)
        self.activity = Activity(store, hub or Hub())
        self.products = DataProducts(
            store, files, data_folder, limits, self.transactions, self.rollback, visibility, prefix
        )
        self.groups = Groups(store, self.products, visibility, changed, tell)
        #: the PKs here of what was moved in from other sites, for their old URLs
        self.old_records = store.old_records
        self.old_urls = OldUrls(store, self.products)
        self.light_curves = LightCurves(store, self.transactions, visibility, tell)
        self.origins = Origins(store, self.products)
        self.outputs = OutputPublisher(self.transactions, self.rollback, store, data_folder)
