"""For pipelines that were written for tom_education: what they import, under one name.

`from runners.compat import settings` stands for `from django.conf import settings`, and all else
for what they take from `tom_education.models` and `tom_dataproducts.models`.
"""

from runners.compat import settings
from runners.pipeline.process import (
    ASYNC_STATUS_CREATED,
    ASYNC_STATUS_FAILED,
    ASYNC_STATUS_PENDING,
    ASYNC_TERMINAL_STATES,
    AsyncError,
    DataProduct,
    PipelineOutput,
    PipelineProcess,
    ReducedDatum,
)

__all__ = [
    "ASYNC_STATUS_CREATED",
    "ASYNC_STATUS_FAILED",
    "ASYNC_STATUS_PENDING",
    "ASYNC_TERMINAL_STATES",
    "AsyncError",
    "DataProduct",
    "PipelineOutput",
    "PipelineProcess",
    "ReducedDatum",
    "settings",
]
