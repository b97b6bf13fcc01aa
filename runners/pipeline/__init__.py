"""A pipeline as its author sees it: the base class, its inputs, its outputs and measurements."""

from runners.pipeline.process import (
    AsyncError,
    Cancelled,
    DataProduct,
    PipelineOutput,
    PipelineProcess,
    ReducedDatum,
)

__all__ = [
    "AsyncError",
    "Cancelled",
    "DataProduct",
    "PipelineOutput",
    "PipelineProcess",
    "ReducedDatum",
]
