"""tom_education 1.1.9 in a virtual environment of its own, served by gunicorn from SQLite.

None of it enters Heliograph's environment. The settings are those that its own set-up command
would write, except for `DEBUG`, which keeps every query, and what newer packages require.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

WORKERS = 2
INSTALL_SECONDS = 900
APPLICATION = "django.core.wsgi:get_wsgi_application()"
#: Without their dependencies: TOM Toolkit pins versions that Python 3.11 can no longer install.
PREDECESSOR = ("tom_education==1.1.9", "tomtoolkit==1.6.1", "fits2image==0.4.3")
#: Their dependencies, in versions that work together on Python 3.11. Django 3.2.19 and later
#: reject a form of TOM Toolkit.
NEEDED = (
    "Django==3.2.18",
    "astroplan==0.10.1",
    "astropy==6.1.7",
    "astroquery==0.4.11",
    "astroscrappy==1.3.0",
    "django-bootstrap4==3.0.1",
    "django-contrib-comments==2.2.0",
    "django-crispy-forms==1.14.0",
    "django-dramatiq==0.11.6",
    "django-extensions==3.2.3",
    "django-filter==21.1",
    "django-gravatar2==1.4.5",
    "django-guardian==2.4.0",
    "djangorestframework==3.15.1",
    "dramatiq==2.2.1",
    "gunicorn==23.0.0",
    "imageio==2.38.1",
    "numpy==1.26.4",
    "pillow==13.0.0",
    "plotly==7.1.0",
    "python-dateutil==4.0.0",
    "redis==8.1.0",
    "requests==2.34.2",
    "setuptools<82",
    "specutils==2.1.0",
)
SETTINGS = """
ALLOWED_HOSTS = ["*"]
DATA_PRODUCT_TYPES = {}
DEBUG = False
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
ROOT_URLCONF = "project.urls"
"""
URLS = """from django.urls import include, path

urlpatterns = [path("", include("tom_education.urls"))]
"""


class Predecessor(NamedTuple):
    """The predecessor's Python, and the folder with its project and database."""

    python: str
    folder: Path

    def run(self, *arguments: str) -> str:
        """Run its Python in its folder; return what it printed. Show its errors if it fails."""
        done = subprocess.run(
            [self.python, "-W", "ignore", *arguments],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments[:3])}: {done.stderr[-3_000:]}")
        return done.stdout

    def ask(self, command: str, *arguments: Any) -> Any:
        """Run a command of `predecessor_inside`; return its answer."""
        return json.loads(self.run("inside.py", command, *map(json.dumps, arguments)))

    @contextmanager
    def serving(self) -> Iterator[int]:
        """Run gunicorn until the block is left; yield its port."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port: int = listening.getsockname()[1]
            number = listening.fileno()
            served = f"--workers {WORKERS} --bind fd://{number} --log-level warning".split()
            gunicorn = subprocess.Popen(
                [self.python, "-W", "ignore", "-m", "gunicorn", *served, APPLICATION],
                cwd=self.folder,
                env=self._environment(),
                pass_fds=[number],
            )
        try:
            yield port
        finally:
            gunicorn.terminate()
            try:
                gunicorn.wait(20)
            finally:
                gunicorn.kill()

    def _environment(self) -> dict[str, str]:
        mine = {"DJANGO_SETTINGS_MODULE": "project.settings", "TMPDIR": str(self.folder)}
        return {**os.environ, **mine}


@contextmanager
def predecessor(python: str | None) -> Iterator[Predecessor]:
    """Yield its project with an empty database, in a new environment unless one is given."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-predecessor-"))
    try:
        found = Predecessor(python or str(folder / "venv" / "bin" / "python"), folder)
        if python is None:
            _install(found)
        _write_project(found)
        found.run("-m", "django", "migrate")
        yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _install(made: Predecessor) -> None:
    print(f"installing {PREDECESSOR[0]} into {made.folder}", file=sys.stderr, flush=True)
    venv.create(made.folder / "venv", with_pip=True)
    made.run("-m", "pip", "install", "--quiet", *NEEDED)
    made.run("-m", "pip", "install", "--quiet", "--no-deps", *PREDECESSOR)


def _write_project(made: Predecessor) -> None:
    """Write its own template of settings with our changes, and the routes of its API."""
    project = made.folder / "project"
    project.mkdir()
    where = "import importlib.util as u; print(u.find_spec('tom_education').origin)"
    package = Path(made.run("-c", where).strip()).parent
    template = package / "templates" / "tom_education" / "settings.py.tmpl"
    (project / "settings.py").write_text(template.read_text() + SETTINGS)
    (project / "urls.py").write_text(URLS)
    shutil.copy(Path(__file__).parent / "predecessor_inside.py", made.folder / "inside.py")
