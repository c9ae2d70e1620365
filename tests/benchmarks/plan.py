"""How long, how much, and what breaks first: millions of prompts on 1, 8 and 64 GPUs.

What CPUs do goes at the rates of `./build.sh bench growth` on this machine: PROMPTKNN_BENCH_RATES
names a file whose last line is the one that it printed last. What GPUs do is counted: the
operations of CLIP's towers and of Stable Diffusion's U-Net (torch counts them, without weights). A
card computes them as fast as `./build.sh bench gpu` measured, where PROMPTKNN_BENCH_GPU names what
that printed; else, and for Stable Diffusion, at an assumed share of its peak. All that is assumed
stands at the head of this file, and above the table.

Each prompt costs the same in every stage but the search for near duplicates, whose pairs grow with
the square of the prompts, divided by the number of lists: all of its time at the larger size is
taken for theirs.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from diffusers import UNet2DConditionModel
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from promptknn.console import wide_console
from promptknn.deduplication.pruning import lists_for
from promptknn.encoders.models import Models
from promptknn.images.settings import GenerationSettings
from promptknn.index.factory import bytes_a_vector
from promptknn.settings import Settings
from promptknn.sources.demo import compose

PROMPTS, GPUS, IMAGES = (3_200_000, 100_000_000, 700_000_000), (1, 8, 64), 1_000_000
# Assumed: H100 SXM, dense bf16, and what open models reach of it.
PEAK, SHARE_OF_PEAK = 989e12, 0.3
# Assumed: hosts of at most eight cards, and what each card brings with it.
GPUS_A_HOST, CORES, MEMORY, PRICE_AN_HOUR = 8, 12, 125e9, 3.0
# A part that takes longer is said to break.
LONGEST_DAYS = 7
MODEL, SIDE, CONTEXT, LATENT = "ViT-H-14", 224, 77, 96
DIM, SENTENCE_DIM, FLOAT, KIND = 1024, 384, 4, "ivf_fastscan"
PICTURES, NEAR = "generate_images", "find_near_duplicates"
_HOUR, TERA = 3600.0, 1e12
_TEXTS = 2_000
_UNET = {
    "sample_size": 96,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}


@dataclass(frozen=True)
class Rates:
    """What things cost.

    Attributes:
        cores: seconds of one core each prompt, by stage.
        driver: seconds of the driver's Python each prompt, by stage.
        pair: seconds of one core each pair of prompts, times the lists, for near duplicates.
        search: seconds of one core each image and prompt.
        text: operations of a GPU each prompt.
        image: operations of a GPU each image.
        picture: operations of a GPU each picture that is generated.
        card: operations a second of a GPU, of each of the three.
        stored: bytes of tables each prompt.
        indexed: bytes of the index each prompt.
    """

    cores: Mapping[str, float]
    driver: Mapping[str, float]
    pair: float
    search: float
    text: float
    image: float
    picture: float
    card: Mapping[str, float]
    stored: float
    indexed: float


def main() -> None:
    named = os.environ.get("PROMPTKNN_BENCH_RATES")
    if not named:
        sys.stderr.write(
            "PROMPTKNN_BENCH_RATES is not set, nothing is planned: name a file with what "
            "`./build.sh bench growth` printed last.\n"
        )
        sys.stdout.write("{}\n")
        return
    lines = Path(named).read_text(encoding="utf-8").strip().splitlines()
    rates = rates_of(json.loads(lines[-1]))
    console, plans = wide_console(stderr=False), {}
    card = ", ".join(f"{name} {rate / TERA:,.0f}" for name, rate in rates.card.items())
    console.print(
        f"TFLOPS of a GPU: {card} (where not measured {SHARE_OF_PEAK:.0%} of {PEAK / TERA:,.0f}). "
        f"Assumed: with each {CORES} cores, {MEMORY / 1e9:,.0f} GB of memory and a price of "
        f"{PRICE_AN_HOUR} an hour; {GPUS_A_HOST} GPUs a host at most; {MODEL}, MiniLM, Stable "
        f"Diffusion 2 at 768 pixels."
    )
    for prompts in PROMPTS:
        hours = {gpus: hours_of(rates, prompts, gpus) for gpus in GPUS}
        table = Table(title=f"{prompts:,} prompts, and {IMAGES:,} images: hours")
        for heading in ("part", *(f"{gpus} GPUs" for gpus in GPUS)):
            table.add_column(heading, justify="right")
        for part in hours[GPUS[0]]:
            table.add_row(part, *(f"{hours[gpus][part]:,.1f}" for gpus in GPUS))
        console.print(table)
        plans[prompts] = {gpus: plan_of(rates, prompts, gpus, hours[gpus]) for gpus in GPUS}
    table = Table(title="In all, without generated pictures")
    for heading in (
        "prompts", "GPUs", "hours", "price", "tables, GB", "index, GB", "hosts' memory", "first",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for prompts, by_gpus in plans.items():
        for gpus, plan in by_gpus.items():
            table.add_row(
                f"{prompts:,}", str(gpus), f"{plan.hours:,.1f}", f"{plan.price:,.0f}",
                f"{plan.tables / 1e9:,.0f}", f"{plan.index / 1e9:,.0f}",
                f"{plan.share_of_memory:.2f}", plan.breaks_first,
            )  # fmt: skip
    console.print(table)
    said = {n: {gpus: vars(plan) for gpus, plan in by.items()} for n, by in plans.items()}
    sys.stdout.write(json.dumps({"rates": vars(rates), "plans": said}) + "\n")


def rates_of(growth: Mapping[str, Any]) -> Rates:
    """Take rates from what the growth of a lake cost, and count the operations of models."""
    large = max(growth["seconds"], key=int)
    rows = int(large)
    images = rows / growth["prompts_an_image"]
    driver = growth["driver_seconds"][large]
    cores = _of_cores(growth, large)
    predicted, near = cores.pop("predict_prompts"), cores.pop(NEAR)
    stored = dict(growth["bytes"][large])
    index = stored.pop("index") / rows
    # Of another dimension here: they are computed.
    for table in ("prompt_embeddings", "image_embeddings"):
        del stored[table]
    return Rates(
        cores={stage: seconds / rows for stage, seconds in cores.items()},
        driver={stage: driver[stage] / rows for stage in (*cores, NEAR)},
        pair=near * lists_for(rows) / rows**2,
        search=predicted / images / rows,
        **_operations(),
        card=_card(),
        stored=sum(stored.values()) / rows + FLOAT * (DIM + SENTENCE_DIM),
        indexed=index - bytes_a_vector(KIND, growth["dim"]) + bytes_a_vector(KIND, DIM),
    )


def _card() -> dict[str, float]:
    rates = dict.fromkeys(("text", "image", "picture"), PEAK * SHARE_OF_PEAK)
    named = os.environ.get("PROMPTKNN_BENCH_GPU")
    if named:
        found = json.loads(Path(named).read_text(encoding="utf-8").strip().splitlines()[-1])
        for tower in ("text", "image"):
            rates[tower] = found["peak"] * found[f"{MODEL} {tower} fp16"]["share_of_peak"]
    return rates


def _of_cores(growth: Mapping[str, Any], size: str) -> dict[str, float]:
    """Give the seconds of one core that each stage took, the driver's apart."""
    driver = growth["driver_seconds"][size]
    return {
        stage: growth["workers"] * max(0.0, seconds - driver[stage])
        for stage, seconds in growth["seconds"][size].items()
    }


def _operations() -> dict[str, float]:
    with torch.device("meta"):
        clip = open_clip.create_model(MODEL, pretrained=None, device="meta")
        unet = UNet2DConditionModel(**_UNET)
        tokens = torch.zeros(1, CONTEXT, dtype=torch.long)
        pixels = torch.zeros(1, 3, SIDE, SIDE)
        latents, step = torch.zeros(1, 4, LATENT, LATENT), torch.zeros(1)
        prompt = torch.zeros(1, CONTEXT, _UNET["cross_attention_dim"])
    texts = compose(_TEXTS, seed=0)
    # Padding is 0, and texts are cut to what they have.
    each = float((open_clip.get_tokenizer(MODEL)(texts) != 0).sum()) / len(texts)
    sentence = Models.of(Settings()).sentence_encoder()
    by_sentence = _counted(lambda: sentence.encode_texts(texts)) / len(texts)
    return {
        "text": _counted(lambda: clip.encode_text(tokens)) * each / CONTEXT + by_sentence,
        "image": _counted(lambda: clip.encode_image(pixels)),
        # With and without the prompt, a step.
        "picture": _counted(lambda: unet(latents, step, prompt)) * 2 * GenerationSettings().steps,
    }


def _counted(run: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return float(counter.get_total_flops())


def hours_of(rates: Rates, prompts: int, gpus: int) -> dict[str, float]:
    """Give the hours of each part."""
    cores = gpus * CORES
    seconds = {
        stage: prompts * (each / cores + rates.driver[stage]) for stage, each in rates.cores.items()
    }
    pairs = rates.pair * prompts**2 / lists_for(prompts)
    seconds[NEAR] = pairs / cores + prompts * rates.driver[NEAR]
    seconds["embed_prompts"] = prompts * rates.text / (gpus * rates.card["text"])
    seconds["embed_images"] = IMAGES * rates.image / (gpus * rates.card["image"])
    seconds["predict_prompts"] = IMAGES * prompts * rates.search / cores
    seconds[PICTURES] = prompts * rates.picture / (gpus * rates.card["picture"])
    return {part: took / _HOUR for part, took in seconds.items()}


@dataclass(frozen=True)
class Plan:
    """What a number of prompts takes: hours, price, bytes, and what goes beyond its limit first."""

    hours: float
    price: float
    tables: float
    index: float
    share_of_memory: float
    breaks_first: str


def plan_of(rates: Rates, prompts: int, gpus: int, hours: Mapping[str, float]) -> Plan:
    """Sum up the parts, and find what is furthest beyond its limit."""
    whole = sum(took for part, took in hours.items() if part != PICTURES)
    index, memory = prompts * rates.indexed, min(gpus, GPUS_A_HOST) * MEMORY
    longest = LONGEST_DAYS * 24
    beyond = {
        **{part: took / longest for part, took in hours.items() if part != PICTURES},
        "a copy of the index in memory": index / memory,
    }
    first = max(beyond, key=lambda what: beyond[what])
    return Plan(
        hours=whole,
        price=whole * gpus * PRICE_AN_HOUR,
        tables=prompts * rates.stored,
        index=index,
        share_of_memory=index / memory,
        breaks_first=f"{first} ({beyond[first]:,.2f} of its limit)",
    )


if __name__ == "__main__":
    main()
