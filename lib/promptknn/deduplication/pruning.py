"""How near duplicates are looked for: every pair, or pairs of near lists with a measured recall.

Prompts above a cosine of 0.9 nearly always share their nearest centroid, so that an inverted file
which looks into a few lists finds them: on 35,036 prompts (the demo's, PartiPrompts, TIFA and
ImageReward's), 10 of 1,024 lists hold 99.9 % of the pairs at a tenth of the time of all products.
"""

from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from promptknn.deduplication.pairs import Block, Pairs, pairs_before
from promptknn.encoders.encoder import Vectors

# Twice as many lists halve what a list holds, and double what it takes to find the nearest ones. Of
# fewer, more must be looked into for the same pairs.
_LISTS_PER_ROOT, _MOST_LISTS = 4, 10_000
# FAISS warns below 39. Recall is measured on rows that it has not seen, and where the pairs grow
# with the square of the prompts, many lists are worth more than well learned ones.
_FEWEST_ROWS_PER_LIST, _ROWS_PER_LIST = 10, 16
_ROWS_MEASURED = 30_000
# Fewer would measure too few pairs, whatever the driver has at hand.
SMALLEST_SAMPLE = 40_000
# More find no more of the pairs.
_ITERATIONS = 5
_PAIRS_MEASURED = 20_000
_ROWS_AT_ONCE = 4_096
# Half of the misses that the target allows stay in reserve: the pairs are a sample's.
_RESERVE = 0.5
# Of 200,000 composed prompts 8 of 1,788 lists hold 99.87 % of the pairs, 12 hold 99.95 %, which a
# sample's few pairs do not tell apart.
_FEWEST_PROBES = 12
_PROBED_SHARE_UNMEASURED = 1 / 16
# For every list its vectors and those that look into it are gathered: a larger share of the pairs
# takes as long as all of them.
LARGEST_PROBED_SHARE = 1 / 3


@dataclass(frozen=True)
class Search:
    """Where the like of a vector are looked for.

    Attributes:
        centroids: float32, (lists, d), those of the inverted file; none for a search of every pair.
        probes: lists looked into.
        recall: share of the sample's pairs that it finds.
        measured_on: number of the sample's pairs.
    """

    centroids: Vectors
    probes: int = 1
    recall: float = 1.0
    measured_on: int = 0

    @property
    def lists(self) -> int:
        """Lists of the inverted file; 0 for a search of every pair."""
        return len(self.centroids)

    def block(self, vectors: Vectors) -> Block:
        """Find the lists of unit vectors, float32, (n, d)."""
        if not self.lists:
            return Block(vectors, np.zeros((len(vectors), 1), dtype=np.int32))
        index = faiss.IndexFlatIP(self.centroids.shape[1])
        index.add(self.centroids)
        _, lists = index.search(vectors, self.probes)
        return Block(vectors, lists.astype(np.int32))

    def __str__(self) -> str:
        if not self.lists:
            return "every pair compared"
        return (
            f"{self.probes} of {self.lists:,} lists compared, recall {self.recall:.4f} "
            f"over {self.measured_on:,} pairs of a sample"
        )


def exact_search() -> Search:
    """Compare every pair."""
    return Search(np.zeros((0, 0), dtype=np.float32))


def pruned_search(rows: int, sample: Vectors, threshold: float, target_recall: float) -> Search:
    """Train an inverted file, and find how many lists reach the target recall.

    Args:
        rows: how many prompts there are.
        sample: float32, (n, d), unit rows of random prompts.
        threshold: cosine of near duplicates.
        target_recall: share of the pairs that must be found.

    Returns:
        A search of every pair where lists would not be faster.
    """
    apart = min(len(sample) // 4, _ROWS_MEASURED)
    measured, learned = sample[:apart], sample[apart:]
    lists = max(1, min(lists_for(rows), len(learned) // _FEWEST_ROWS_PER_LIST))
    clustering = faiss.Kmeans(
        sample.shape[1],
        lists,
        niter=_ITERATIONS,
        spherical=True,
        min_points_per_centroid=_FEWEST_ROWS_PER_LIST,
        max_points_per_centroid=_ROWS_PER_LIST,
    )
    clustering.train(learned)
    centroids = clustering.centroids
    assert centroids is not None, "they are learned"
    ranks = _list_ranks(centroids, measured, _sample_pairs(measured, threshold))
    if len(ranks):
        aim = 1 - (1 - target_recall) * _RESERVE
        wanted = np.sort(ranks)[int(np.ceil(aim * len(ranks))) - 1] + 1
        probes = max(_FEWEST_PROBES, int(wanted))
    else:
        probes = max(_FEWEST_PROBES, int(lists * _PROBED_SHARE_UNMEASURED))
    probes = min(lists, probes)
    if probes > lists * LARGEST_PROBED_SHARE:
        return exact_search()
    recall = float((ranks < probes).mean()) if len(ranks) else 1.0
    return Search(centroids, probes, recall, len(ranks))


def lists_for(rows: int) -> int:
    """Give the number of lists for so many prompts."""
    return min(int(_LISTS_PER_ROOT * rows**0.5), _MOST_LISTS)


def sample_for(rows: int) -> int:
    """Give the number of prompts that lists are learned from and measured on."""
    return _ROWS_MEASURED + _ROWS_PER_LIST * lists_for(rows)


def _sample_pairs(sample: Vectors, threshold: float) -> Pairs:
    block, parts, count = exact_search().block(sample), [Pairs.of([])], 0
    for start in range(0, len(block), _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, len(block)))
        parts.append(pairs_before(block, rows, np.arange(rows[-1]), threshold))
        count += len(parts[-1].rows)
        if count >= _PAIRS_MEASURED:
            break
    return Pairs.of(parts).where(slice(_PAIRS_MEASURED))


def _list_ranks(centroids: Vectors, sample: Vectors, pairs: Pairs) -> npt.NDArray[np.int64]:
    """Tell how many lists are nearer to each row than the one that holds its key: (p,)."""
    ranks = np.zeros(len(pairs.rows), dtype=np.int64)
    for start in range(0, len(ranks), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        near = sample[pairs.rows[part]] @ centroids.T
        holds = np.argmax(sample[pairs.keys[part]] @ centroids.T, axis=1)
        ranks[part] = (near > near[np.arange(len(near)), holds][:, None]).sum(axis=1)
    return ranks
