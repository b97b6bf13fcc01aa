"""What is said of a pipeline written for tom_education: each rule, and what cannot be read."""

from __future__ import annotations

import sys

import pytest

from runners.compat.advice import MOST_BYTES, NotReadable, advise
from runners.compat.findings import Finding, Kind

WORKS, LOOK, CHANGE = Kind.WORKS, Kind.LOOK, Kind.CHANGE


def said_of(source: str, *configured: str) -> list[Finding]:
    return advise(source.encode(), configured)[0]


def in_method(line: str) -> str:
    """Return a pipeline with this line in its method: its fourth."""
    return (
        "from runners.compat import *\nclass P(PipelineProcess):\n"
        f"    def do_pipeline(self, tmpdir, **flags):\n        {line}\n"
    )


def in_class(line: str) -> str:
    """Return a pipeline with this attribute: its second line."""
    return f"class P(PipelineProcess):\n    {line}\n"


IMPORTS = [
    (
        "from tom_education.models import AsyncError",
        CHANGE,
        "from runners.compat import AsyncError",
    ),
    (
        "from tom_education.models.pipelines import PipelineProcess as Base, PipelineOutput",
        CHANGE,
        "from runners.compat import PipelineProcess as Base, PipelineOutput",
    ),
    (
        "from tom_dataproducts.models import DataProduct, ReducedDatum",
        CHANGE,
        "from runners.compat import DataProduct, ReducedDatum",
    ),
    (
        "from tom_dataproducts.models import DataProductGroup",
        CHANGE,
        "into a group by the server",
    ),
    ("from tom_education.models import TimelapsePipeline", CHANGE, "built-in pipeline Timelapse"),
    ("from tom_education.models import *", CHANGE, "name what you use: ASYNC_STATUS_CREATED"),
    ("import tom_education.models", CHANGE, "from runners.compat import what you use"),
    ("import tom_education.models as m", CHANGE, "import runners.compat as m"),
    ("from tom_education import models", CHANGE, "from runners import compat as models"),
    ("from tom_dataproducts import models as dp", CHANGE, "from runners import compat as dp"),
    ("from django import conf", CHANGE, "from runners import compat as conf"),
    ("from tom_targets.models import Target", CHANGE, "the target is self.target"),
    ("from tom_education.utils import assert_valid_suffix", CHANGE, "checks allowed_suffixes"),
    ("from django.conf import settings as s", CHANGE, "from runners.compat import settings as s"),
    ("import django.conf", CHANGE, "from runners.compat import settings"),
    ("from django.core.files.base import ContentFile", CHANGE, "write the file into tmpdir"),
    ("from django.db import models", CHANGE, "a run has no database"),
    ("from django.utils import timezone", CHANGE, "there is no Django here"),
    ("import dramatiq", CHANGE, "the server queues and runs"),
    ("from runners import PipelineProcess", WORKS, "changed already"),
    ("from astrosource import TimeSeries", LOOK, "another interface"),
]
ATTRIBUTES = [
    ("class Meta: proxy = True", WORKS, "left aside"),
    ("short_name = 'dummy'", WORKS, "identifiers begin with it"),
    ("short_name = 'a/b'", CHANGE, "1 to 50 visible characters without slashes"),
    ("short_name = ''", CHANGE, "1 to 50 visible characters"),
    ("allowed_suffixes = ['.fits']", WORKS, "case does not matter"),
    ("allowed_suffixes = '.fits'", CHANGE, "a list of texts"),
    ("allowed_suffixes = [7]", CHANGE, "a list of texts"),
    ("flags = {'a': {'default': False, 'long_name': 'A'}}", WORKS, "it is a flag"),
    ("flags = {'a': {'default': True, 'long_name': 'A'}}", LOOK, "true unless it is given"),
    ("flags = {'a': {'long_name': 'A'}}", CHANGE, "give it 'default': False"),
    ("flags = {'a': {'default': 'yes'}}", CHANGE, "make its default True or False"),
    ("flags = {'a': {'default': False, 'long_name': 7}}", CHANGE, "make its long_name a text"),
    ("flags = {'a-b': {'default': False}}", CHANGE, "as variables are named"),
    ("flags = {'class': {'default': False}}", CHANGE, "as variables are named"),
    ("flags = {'tmpdir': {'default': False}}", CHANGE, "a parameter has that name"),
    ("flags = {'a': True}", CHANGE, "a mapping"),
    ("owner = models.CharField(max_length=3)", CHANGE, "there is no database"),
    ("def run(self): pass", CHANGE, "the server calls do_pipeline"),
    ("async def do_pipeline(self, tmpdir): pass", CHANGE, "a plain function"),
    ("def do_pipeline(self): pass", CHANGE, "def do_pipeline(self, tmpdir, **flags)"),
    ("def do_pipeline(self, tmpdir): pass", WORKS, "it is called so"),
]
USES = [
    ("self.save()", WORKS, "shows a status that was set by hand"),
    ("self.logs += 'x'", WORKS, "what is added is logged"),
    ("self.update_status('Reading')", WORKS, "shown at once"),
    ("self.update_status('created')", CHANGE, "raise AsyncError(message)"),
    ("self.status = 'failed'", LOOK, "raise AsyncError(message)"),
    ("self.status = ASYNC_STATUS_CREATED", LOOK, "the server sets it"),
    ("self.failure_message = 'x'", LOOK, "raise AsyncError(message)"),
    ("self.objects.all()", CHANGE, "no database"),
    ("PipelineProcess.DoesNotExist", CHANGE, "no database"),
    ("self.target.targetextra_set.all()", CHANGE, "extra_fields"),
    ("self.input_files.values_list('pk')", CHANGE, "the inputs are a list"),
    ("self.input_files.all().annotate()", CHANGE, "the inputs are a list"),
    ("self.input_files.filter(data__endswith='.fz')", WORKS, "by their names and types"),
    ("self.input_files.filter(group__name='x')", CHANGE, "fields are pk, id, name"),
    ("[p.observation_record for p in self.input_files.all()]", CHANGE, "no database"),
    ("self.input_files.first().data.url", CHANGE, "read them by open(), read() or path"),
    ("for p in self.input_files.all(): open(p.data.file.name)", LOOK, "use .data.path"),
    ("DataProduct.objects.create()", CHANGE, "yield PipelineOutput(path, DataProduct)"),
    ("ReducedDatum.objects.create()", CHANGE, "data=(MJD, magnitude, error, file)"),
    ("Target.objects.get(pk=1)", CHANGE, "no database"),
    ("yield PipelineOutput(p, DataProduct)", WORKS, "becomes a data product"),
    ("yield PipelineOutput(p, output_type=ReducedDatum)", WORKS, "joins the light curve"),
    ("yield PipelineOutput(p, 'cheese')", CHANGE, "DataProduct or ReducedDatum"),
    ("os.environ['LCO_API_KEY']", CHANGE, "limits.environment"),
    ("os.getenv('MY_TOKEN')", CHANGE, "limits.environment"),
]
SETTINGS = [
    ("settings.DATA_PRODUCT_TYPES['plot'][0]", WORKS, "it has a value"),
    ("settings.TOM_EDUCATION_TIMELAPSE_SETTINGS", WORKS, "it has a value"),
    ("settings.OBSERVER", CHANGE, "add it to config.yml under compat.settings"),
    ("settings.KNOWN", WORKS, "it has a value"),
    ("settings.MEDIA_ROOT", CHANGE, "read as self.input_files"),
    ("getattr(settings, 'OBSERVER', 'x')", WORKS, "it has the default"),
    ("getattr(settings, 'OBSERVER')", CHANGE, "add it to config.yml"),
]


def expect(found: list[Finding], line: int, kind: Kind, say: str) -> None:
    assert [
        each for each in found if each.line == line and each.kind is kind and say in each.say
    ], found


@pytest.mark.parametrize(("line", "kind", "say"), IMPORTS)
def test_imports(line: str, kind: Kind, say: str) -> None:
    found = said_of(f"\n{line}\n")
    expect(found, 2, kind, say)
    assert {each.kind for each in found if each.line == 2} == {kind}


@pytest.mark.parametrize(("line", "kind", "say"), ATTRIBUTES)
def test_classes(line: str, kind: Kind, say: str) -> None:
    found = said_of(in_class(line))
    expect(found, 2, kind, say)
    assert {each.kind for each in found if each.line == 2} == {kind}


@pytest.mark.parametrize(("line", "kind", "say"), USES)
def test_uses(line: str, kind: Kind, say: str) -> None:
    expect(said_of(in_method(line)), 4, kind, say)


@pytest.mark.parametrize(("line", "kind", "say"), SETTINGS)
@pytest.mark.parametrize("module", ["django.conf", "runners.compat"])
def test_settings(line: str, kind: Kind, say: str, module: str) -> None:
    found = said_of(f"from {module} import settings\n{line}\n", "KNOWN")
    expect(found, 2, kind, say)


def test_flags_that_the_method_does_not_take_are_named() -> None:
    flags = "flags = {'deep': {'default': False}}\n"
    for signature, kind in (("", CHANGE), (", deep=False", WORKS), (", **flags", WORKS)):
        method = f"    def do_pipeline(self, tmpdir{signature}): pass\n"
        found = said_of(in_class(flags + method))
        assert [each.kind for each in found if each.what == "def do_pipeline"] == [kind]


def test_what_is_no_business_of_ours_is_not_spoken_of() -> None:
    source = "import numpy\nx.objects_of\nhdu.data.save()\nother.target.epoch\n"
    assert [each.what for each in said_of(source)] == ["the module"]


def test_heirs_of_heirs_are_pipelines_too() -> None:
    source = (
        "import tom_education.models as m\n"
        "class B(A): pass\nclass A(m.PipelineProcess): pass\nclass C: pass\nclass D(B, C): pass\n"
    )
    assert advise(source.encode())[1] == ["B", "A", "D"]


def test_a_base_with_another_name_makes_pipelines_too() -> None:
    source = "from tom_education.models import PipelineProcess as Base\nclass P(Base):\n    pass\n"
    assert advise(source.encode())[1] == ["P"]


def test_nothing_is_imported_or_run(capsys: pytest.CaptureFixture[str]) -> None:
    said_of("import sys\nprint('ran')\nsys.modules['ran'] = 1\nraise SystemExit(9)\n")
    assert capsys.readouterr().out == ""
    assert "ran" not in sys.modules


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (b"def broken(:\n", "line 1: "),
        (b"x = 1\n\tprint 'old'\n", "line 2: "),
        (b"\x00\x01binary", "null bytes|no text"),
        (bytes(range(256)), "null bytes|no text|line 1"),
        (b"# -*- coding: no-such -*-\n", "no-such"),
        (b"x = 1\n" + b"#" * MOST_BYTES, "it has over 1,048,576 bytes"),
        (b"(" * 10_000, "too many nested|nested too deeply"),
        (b"-" * 200_000 + b"1", "it is nested too deeply"),
        (b"x" + b".a" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_said(source: bytes, why: str) -> None:
    with pytest.raises(NotReadable, match=why):
        advise(source)


def test_other_encodings_are_read_as_python_does() -> None:
    source = "# -*- coding: latin-1 -*-\nfrom django.conf import settings  # é\n".encode("latin-1")
    expect(advise(source)[0], 2, CHANGE, "from runners.compat import settings")


def test_many_classes_and_long_names_take_no_longer_than_they_are() -> None:
    chain = "\n".join(f"class A{number}(A{number + 1}): pass" for number in range(4_000))
    assert advise(f"{chain}\nclass A4000(PipelineProcess): pass".encode())[1][0] == "A0"
    said_of("\n".join("x" + ".data" * 90 for _ in range(100)))
