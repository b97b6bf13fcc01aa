"""How a pipeline runs, and the pipelines that come with Heliograph.

What authors import: `from runners import AsyncError, PipelineOutput, PipelineProcess`.
"""

from runners.pipeline.process import (
    AsyncError,
    DataProduct,
    PipelineOutput,
    PipelineProcess,
    ReducedDatum,
)

__all__ = ["AsyncError", "DataProduct", "PipelineOutput", "PipelineProcess", "ReducedDatum"]
