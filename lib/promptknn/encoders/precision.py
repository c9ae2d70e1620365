"""The precision that models compute in; their weights and what they give stay fp32."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "fp32", "fp16", "bf16"]


def autocast(precision: Precision, device: "torch.device") -> AbstractContextManager[None]:
    """Make the context in which a model computes.

    Args:
        precision: `auto` is fp16 on a GPU, whose tensor cores need 16 bits, and fp32 on a CPU.
        device: where the model is.
    """
    import torch

    chosen = precision
    if chosen == "auto":
        chosen = "fp16" if device.type == "cuda" else "fp32"
    dtype = {"fp32": None, "fp16": torch.float16, "bf16": torch.bfloat16}[chosen]
    context: AbstractContextManager[None] = torch.autocast(
        device.type, dtype, enabled=dtype is not None
    )
    return context
