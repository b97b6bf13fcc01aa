"""Pipelines: how they run, those that come with Heliograph, and what authors import.

A pipeline begins with `from runners import AsyncError, PipelineOutput, PipelineProcess`, and its
test with `from runners.testing import run_pipeline`.
"""

from runners.pipeline.process import (
    ASYNC_STATUS_CREATED,
    ASYNC_STATUS_FAILED,
    ASYNC_STATUS_PENDING,
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
    "AsyncError",
    "DataProduct",
    "PipelineOutput",
    "PipelineProcess",
    "ReducedDatum",
]
