"""Builds an index by autofaiss, tuned by itself, and measures it; gives what it found as JSON.

An index takes an hour: what was built of the same vectors before is measured again, not built.
"""

import json
import logging
import sys
import time
from pathlib import Path

import faiss
import numpy as np
from autofaiss import build_index

RECALL, NEARLY, MOST_SECONDS = 0.99, 0.002, 120.0
_INDEX, _BUILT = "autofaiss.index", "built.json"

# autofaiss names OPQMatrix's second argument, which this FAISS no longer allows: with an older one,
# its kernels would be older than ours.
_OPQMatrix = faiss.OPQMatrix
faiss.OPQMatrix = lambda d, M, d2: _OPQMatrix(d, M, d2)  # noqa: N803


def main() -> None:
    folder, kept, memory = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    batch, threads = int(sys.argv[4]), sys.argv[5]
    faiss.omp_set_num_threads(int(threads))
    queries, exact = np.load(folder / "queries.npy"), np.load(folder / "exact.npy")
    if not (kept / _BUILT).exists():
        kept.mkdir(parents=True, exist_ok=True)
        said = _build(np.load(folder / "vectors.npy"), kept / _INDEX, memory, threads)
        (kept / _BUILT).write_text(json.dumps(said))
    said, place = json.loads((kept / _BUILT).read_text()), kept / _INDEX
    index, key = faiss.read_index(str(place)), said["index"]
    own = _measured(index, said.pop("parameters"), queries, exact, batch)
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
    # Where none reaches it, the fastest of those that come as near as any.
    most = max(one["recall"] for one in tried)
    enough = RECALL if most >= RECALL else most - NEARLY
    best = max((one for one in tried if one["recall"] >= enough), key=lambda one: one["rate"])
    said |= {"bytes": place.stat().st_size, "own_tuning": own, "best": best}
    sys.stdout.write("\n" + json.dumps(said) + "\n")


def _build(vectors, place: Path, memory: str, threads: str) -> dict[str, object]:  # type: ignore[no-untyped-def]
    started, processor = time.perf_counter(), time.process_time()
    _, told = build_index(
        vectors,
        index_path=str(place),
        index_infos_path=str(place.with_suffix(".json")),
        max_index_memory_usage=memory,
        current_memory_available="20G",
        metric_type="ip",
        nb_cores=int(threads),
        verbose=logging.ERROR,
    )
    return {
        "index": str(told["index_key"]),
        "parameters": str(told["index_param"]),
        "build_seconds": time.perf_counter() - started,
        "build_processor_seconds": time.process_time() - processor,
    }


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
