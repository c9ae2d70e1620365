"""Encodes tokens by clip-retrieval's own mapper; gives the seconds of the fastest round."""

import json
import sys
import time

import numpy as np
import torch
from clip_retrieval.clip_inference.mapper import ClipMapper

checkpoint, tokens_file, batch_size, vectors_file, threads, rounds = sys.argv[1:]
torch.set_num_threads(int(threads))
mapper = ClipMapper(
    enable_image=False,
    enable_text=True,
    enable_metadata=False,
    use_mclip=False,
    clip_model=f"open_clip:ViT-B-32/{checkpoint}",
    use_jit=False,
    mclip_model="",
)
tokens = torch.from_numpy(np.load(tokens_file))
fastest = float("inf")
for _ in range(int(rounds)):
    started = time.perf_counter()
    parts = [
        mapper({"text_tokens": batch, "text": [""] * len(batch)})["text_embs"]
        for batch in tokens.split(int(batch_size))
    ]
    fastest = min(fastest, time.perf_counter() - started)
np.save(vectors_file, np.concatenate(parts))
sys.stdout.write(json.dumps({"seconds": fastest}) + "\n")
