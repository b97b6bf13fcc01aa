"""What is said of each operation, by subject; `SUBJECTS` in the order of the description."""

from handlers.description.operation import Subject
from handlers.description.subjects.access import ACCESS
from handlers.description.subjects.groups import GROUPS
from handlers.description.subjects.images import IMAGES
from handlers.description.subjects.logs import LOGS
from handlers.description.subjects.operations import OPERATIONS
from handlers.description.subjects.pages import PAGES
from handlers.description.subjects.predecessor import PREDECESSOR
from handlers.description.subjects.processes import PROCESSES
from handlers.description.subjects.products import PRODUCTS
from handlers.description.subjects.search import SEARCH
from handlers.description.subjects.targets import TARGETS

SUBJECTS: tuple[Subject, ...] = (
    TARGETS,
    PRODUCTS,
    IMAGES,
    GROUPS,
    PROCESSES,
    LOGS,
    SEARCH,
    ACCESS,
    OPERATIONS,
    PAGES,
    PREDECESSOR,
)
