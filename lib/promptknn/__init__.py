"""promptknn: predict the text prompts that would make your images, on Spark.

The folders follow the pipeline: sources, cleaning, deduplication, encoders, images, index,
prediction, evaluation. Each holds plain Python on numpy and Arrow, and one or two files whose
stages move that arithmetic through Spark. `PromptIndex` predicts for a few pictures without it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptknn.prediction.prompt_index import PromptIndex

__all__ = ["PromptIndex", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Imported when it is asked for: numpy, FAISS and pydantic take most of a second.
    if name == "PromptIndex":
        from promptknn.prediction.prompt_index import PromptIndex

        return PromptIndex
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
