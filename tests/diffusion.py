"""A tiny Stable Diffusion with random weights: seconds to build, a fraction of one a picture."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
)

SIDE = 32
# Words that the model cannot take: one makes its numbers overflow, one has no embedding.
OVERFLOWING_WORD, UNKNOWN_WORD = "~", "^"
_WIDTH = 16


def save_pipeline(folder: Path, *, flags: bool | None = None) -> Path:
    """Build a pipeline and save it as safetensors.

    Args:
        folder: where to.
        flags: whether its safety checker flags every picture or none; None: it has no checker.
    """
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(tokenizer) - 1, hidden_size=_WIDTH, intermediate_size=_WIDTH,
        num_hidden_layers=1, num_attention_heads=2, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=SIDE // 2, block_out_channels=(_WIDTH, _WIDTH), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=_WIDTH, attention_head_dim=2, norm_num_groups=2,
    )  # fmt: skip
    decoder = AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=2,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=decoder,
        text_encoder=_text_encoder(text, tokenizer),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        safety_checker=None if flags is None else _safety_checker(flags),
        feature_extractor=None if flags is None else CLIPImageProcessor(crop_size=SIDE, size=SIDE),
        requires_safety_checker=flags is not None,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _text_encoder(config: CLIPTextConfig, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    model = CLIPTextModel(config)
    number = tokenizer.convert_tokens_to_ids(f"{OVERFLOWING_WORD}</w>")
    model.get_input_embeddings().weight.data[number] = float("inf")
    return model


def _tokenizer() -> CLIPTokenizer:
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters if letter != UNKNOWN_WORD)]
    # The last one lies outside the text encoder's table of embeddings.
    tokens += ["<|startoftext|>", "<|endoftext|>", f"{UNKNOWN_WORD}</w>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def _safety_checker(flags: bool) -> StableDiffusionSafetyChecker:
    vision = CLIPVisionConfig(
        hidden_size=_WIDTH, intermediate_size=_WIDTH, num_hidden_layers=1, num_attention_heads=2,
        image_size=SIDE, patch_size=SIDE // 2, projection_dim=_WIDTH,
    )  # fmt: skip
    text = CLIPTextConfig(hidden_size=_WIDTH, num_hidden_layers=1, num_attention_heads=2)
    checker = StableDiffusionSafetyChecker(
        CLIPConfig(
            vision_config=vision.to_dict(), text_config=text.to_dict(), projection_dim=_WIDTH
        )
    )
    # A cosine is above -2 always, and never above 2.
    for thresholds in (checker.concept_embeds_weights, checker.special_care_embeds_weights):
        thresholds.data.fill_(-2.0 if flags else 2.0)
    return checker
