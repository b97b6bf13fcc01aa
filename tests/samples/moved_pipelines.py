"""Pipelines as people write them for tom_education, with their imports changed and nothing else."""

from io import StringIO
from pathlib import Path

from astropy.io import fits

from runners.compat import (
    ASYNC_STATUS_CREATED,
    AsyncError,
    DataProduct,
    PipelineOutput,
    PipelineProcess,
    ReducedDatum,
    settings,
)


class StarError(Exception):
    pass


class ProcessLog(StringIO):
    """Passes on to the log of a process what a package prints."""

    def __init__(self, process):
        super().__init__()
        self.process = process

    def write(self, text):
        self.process.log(text, end="")
        return super().write(text)


class VariableStar(PipelineProcess):
    """Follows a star through frames: a generator with flags, photometry and plots."""

    short_name = "star"
    allowed_suffixes = [".fits", ".fits.fz"]
    flags = {
        "plot": {"default": False, "long_name": "Create plot files"},
        "detrend": {"default": True, "long_name": "Remove the trend of the night"},
    }

    class Meta:
        proxy = True

    def do_pipeline(self, tmpdir, **flags):
        with self.update_status("Gathering data files"):
            files = [product.data.file for product in self.input_files.all()]
        out = ProcessLog(self)
        suffix = Path(self.input_files.first().data.name).suffix[1:]
        print(f"{len(files)} files of type {suffix} at {self.target.ra:.2f}", file=out)
        try:
            with self.update_status("Measuring"):
                measured = [self.measure(file) for file in files]
        except StarError as error:
            raise AsyncError(str(error)) from error
        if flags["plot"]:
            (tmpdir / "plots").mkdir()
            (tmpdir / "plots" / "curve.png").write_bytes(b"\x89PNG")
        self.log(f"plot {flags['plot']}, detrend {flags['detrend']}")
        yield from self.gather_outputs(tmpdir, measured)

    def measure(self, file):
        file.open()
        header = fits.open(file)[0].header
        file.close()
        if "MJD-OBS" not in header:
            raise StarError(f"There is no date in {Path(file.name).name}")
        return header["MJD-OBS"], header["MAG"], 0.01, file.name

    def gather_outputs(self, tmpdir, measured):
        kinds = settings.DATA_PRODUCT_TYPES
        for row in measured:
            yield PipelineOutput(
                path=None,
                data=row,
                output_type=ReducedDatum,
                data_product_type=kinds["photometry"][0],
            )
        for name in ("curve.png", "period.png"):
            path = tmpdir / Path("plots") / name
            if not path.is_file():
                self.log(f"No file {name} found")
                continue
            yield PipelineOutput(
                path=path, output_type=DataProduct, data_product_type=kinds["plot"][0], data=None
            )


class Habits(PipelineProcess):
    """Does by hand what there are methods for."""

    short_name = "habits"

    def do_pipeline(self, tmpdir):
        if not self.logs:
            self.logs = ""
        self.logs += f"process {self.pk} is {self.id}, group {self.group}\n"
        self.save()
        self.status = "Half way"
        self.save(update_fields=["status"])
        products = self.input_files.all()
        last = products.last()
        self.log(f"{products.count()} {products.exists()} {last.id} {last.data.size}")
        self.log(f"{settings.OBSERVER} at {settings.SITE['name']}")
        (tmpdir / "a.csv").write_text("hello")
        (tmpdir / "note.hs").write_text("goodbye")
        (tmpdir / "b.png").write_text("hello again")
        self.status = ASYNC_STATUS_CREATED
        self.save()
        return [
            [tmpdir / "a.csv", DataProduct],
            (tmpdir / "note.hs", ReducedDatum, "image_file"),
            PipelineOutput(tmpdir / "b.png", DataProduct, tag="image_file"),
            [None, ReducedDatum, "photometry", [58000.5, 12.5, 0.1, "a.fits"]],
        ]


class OnlyText(PipelineProcess):
    """Makes nothing but a text of reduced data."""

    short_name = "onlytext"

    def do_pipeline(self, tmpdir):
        return [(None, ReducedDatum, "photometry", (58001, 13.0, None, "a.fits"))]


class Asks(PipelineProcess):
    """Asks for what there is not."""

    short_name = "asks"

    def do_pipeline(self, tmpdir):
        return settings.MEDIA_ROOT


class Cheese(PipelineProcess):
    """Says of an output that it is cheese."""

    short_name = "cheese"

    def do_pipeline(self, tmpdir):
        (tmpdir / "a.csv").write_text("x")
        return [(tmpdir / "a.csv", "cheese")]
