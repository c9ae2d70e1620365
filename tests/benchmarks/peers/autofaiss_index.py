"""Builds an index by autofaiss, tuned by itself, and measures it; gives what it found as JSON."""

import json
import logging
import sys
import time
from pathlib import Path

import faiss
import numpy as np
from autofaiss import build_index

RECALL, MOST_SECONDS = 0.99, 120.0

# autofaiss names OPQMatrix's second argument, which this FAISS no longer allows: with an older one,
# its kernels would be older than ours.
_OPQMatrix = faiss.OPQMatrix
faiss.OPQMatrix = lambda d, M, d2: _OPQMatrix(d, M, d2)  # noqa: N803


def main() -> None:
    folder, memory, batch, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    faiss.omp_set_num_threads(int(threads))
    vectors = np.load(folder / "vectors.npy")
    queries, exact = np.load(folder / "queries.npy"), np.load(folder / "exact.npy")
    place = folder / "autofaiss.index"
    started, processor = time.perf_counter(), time.process_time()
    built, told = build_index(
        vectors,
        index_path=str(place),
        index_infos_path=str(folder / "autofaiss.json"),
        max_index_memory_usage=memory,
        current_memory_available="20G",
        metric_type="ip",
        nb_cores=int(threads),
        verbose=logging.ERROR,
    )
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    key = str(told["index_key"])
    del vectors, built
    index = faiss.read_index(str(place))
    own = _measured(index, str(told["index_param"]), queries, exact, batch)
    tried = [own]
    # The fewest steps that reach the recall, doubling what its tuning may change.
    for power in range(4, 14):
        steps = 2**power
        if "HNSW" in key and "IVF" not in key:
            parameters = f"efSearch={steps}"
        elif "HNSW" in key:
            parameters = f"nprobe={steps},quantizer_efSearch={2 * steps}"
        else:
            parameters = f"nprobe={steps}"
        tried.append(_measured(index, parameters, queries, exact, batch))
        if tried[-1]["recall"] >= RECALL or tried[-1]["seconds"] > MOST_SECONDS:
            break
    best = max(tried, key=lambda one: (one["recall"] >= RECALL, one["recall"]))
    said = {
        "index": key,
        "build_seconds": seconds,
        "build_processor_seconds": processor,
        "bytes": place.stat().st_size,
        "own_tuning": own,
        "best": best,
    }
    sys.stdout.write("\n" + json.dumps(said) + "\n")


def _measured(index: faiss.Index, parameters: str, queries, exact, batch: int) -> dict:  # type: ignore[no-untyped-def,type-arg]
    faiss.ParameterSpace().set_index_parameters(index, parameters)
    k = exact.shape[1]
    index.search(queries[:batch], k)
    started = time.perf_counter()
    parts = [
        index.search(queries[start : start + batch], k)[1]
        for start in range(0, len(queries), batch)
    ]
    seconds = time.perf_counter() - started
    pairs = zip(np.concatenate(parts), exact, strict=True)
    recall = float(np.mean([np.isin(found, true).mean() for found, true in pairs]))
    rate = len(queries) / seconds
    return {"parameters": parameters, "recall": recall, "rate": rate, "seconds": seconds}


if __name__ == "__main__":
    main()
