"""What a wheel of Heliograph holds and needs. The tools' settings are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

TEST = [
    "pytest>=9,<10",
    "pytest-tornado>=0.8.1",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.7",
    "hypothesis>=6.130",
    "schemathesis>=4.32,<5",
    # schemathesis brings it; the tests validate answers by it.
    "jsonschema-rs>=0.40",
    "openapi-spec-validator>=0.9",
    "requests>=2.32",
    # The extra tom, for the tests of old sites on a database server.
    "sqlalchemy>=2.0",
    # Has the schema of compose files.
    "check-jsonschema>=0.39",
    # pytest-tornado imports pkg_resources, which later ones lack; earlier ones build no wheels.
    "setuptools>=77,<82",
    "playwright>=1.45",
    "tqdm>=4.66",
    "ruff>=0.17",
    "mypy>=2.4",
    "pre-commit>=4",
    "import-linter>=2.17",
    "trustme>=1.2",
    "pytest-cov>=7",
    "types-cachetools",
    "types-PyYAML",
    "types-psutil",
]

setup(
    name="heliograph",
    version="0.2.0",
    description="Runs the pipelines of an observatory and shows live what they do",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-3-Clause",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["server*", "handlers*", "runners*", "static*"]),
    package_data={
        "server": ["py.typed"],
        "handlers": ["py.typed", "templates/**/*"],
        "runners": ["py.typed"],
        "static": ["**/*"],
    },
    include_package_data=False,
    entry_points={"console_scripts": ["heliograph = server.__main__:main"]},
    install_requires=[
        "tornado>=6.6.1,<7",
        "motor>=3.7.1,<4",
        "pymongo>=4.20,<5",
        "nx-27017==0.8.1",
        "neosqlite==1.17.2",
        "msgspec>=0.20",
        "cachetools>=7.3",
        "PyYAML>=6.0.2",
        "psutil>=6",
        "prometheus-client>=0.22",
        "fsspec>=2025.2",
        "platformdirs>=4",
        "numpy>=2",
        "astropy>=7.1",
        "scipy>=1.14",
        "sep>=1.4",
        "uncompresspy>=0.4.1",
        "av>=14",
        "Pillow>=11",
        "python-multipart>=0.0.28",
        "uvloop>=0.21",
        "zlib-ng>=1.0",
        "zstandard>=0.23",
        "bokeh>=3.7,<4",
        "rich>=14",
        "httpx>=0.28,<1",
    ],
    extras_require={
        "test": TEST,
        # It imports tqdm, which it does not ask for itself.
        "astrosource": ["astrosource>=1.8.1,<2", "tqdm>=4.66"],
        "align": ["astroalign>=2.6"],
        "dask": ["dask>=2026.8", "distributed>=2026.8"],
        "s3": ["s3fs>=2025.2"],
        # Old sites whose database is on a server.
        "tom": ["sqlalchemy>=2.0"],
        # An S3 server for the tests.
        "test-s3": ["s3fs>=2025.2", "moto[s3]>=5.1,<6", "flask>=3", "flask-cors>=5"],
    },
    classifiers=[
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Scientific/Engineering :: Astronomy",
        "Typing :: Typed",
    ],
)
