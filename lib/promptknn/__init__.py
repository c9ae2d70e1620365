"""promptknn: predict the text prompts that would make your images, on Spark.

The folders follow the pipeline: sources, cleaning, deduplication, encoders, images, index,
prediction, evaluation. Each holds plain Python on numpy and Arrow, and one or two files whose
stages move that arithmetic through Spark.
"""

__version__ = "0.1.0"
