"""The precision that models compute in; what they give is fp32 always."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "fp32", "fp16", "bf16"]


def half_type(precision: Precision, device: "torch.device") -> "torch.dtype | None":
    """Give the type of 16 bits that a model computes in, or None for fp32.

    Args:
        precision: `auto` is fp16 on a GPU, whose tensor cores need 16 bits, and fp32 on a CPU.
        device: where the model is.
    """
    import torch

    chosen = precision
    if chosen == "auto":
        chosen = "fp16" if device.type == "cuda" else "fp32"
    return {"fp32": None, "fp16": torch.float16, "bf16": torch.bfloat16}[chosen]


def autocast(precision: Precision, device: "torch.device") -> AbstractContextManager[None]:
    """Make the context in which a model with weights of fp32 computes in `half_type`."""
    import torch

    half = half_type(precision, device)
    context: AbstractContextManager[None] = torch.autocast(
        device.type, half, enabled=half is not None
    )
    return context
