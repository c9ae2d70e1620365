"""A shard: a folder of vectors.faiss, prompts.arrow and sentence.npy, memory-mapped to search.

mapped.npy stands beside them where CLIP has a text tower of its own, rescoring.npy where a second
CLIP model scores neighbours again, lists.bin and lists.npy where FastScan reads inverted lists.

With a prompt's text and sentence embedding beside its vector, scoring an image needs no join.
Prompts lie in the order of their ids.
"""

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from promptknn.encoders.encoder import Vectors
from promptknn.errors import CorruptShardError, reason
from promptknn.index.exact_search import search_exactly
from promptknn.index.mapped_lists import MappedLists

VECTORS, PROMPTS, SENTENCE = "vectors.faiss", "prompts.arrow", "sentence.npy"
MAPPED, RESCORING = "mapped.npy", "rescoring.npy"
PROMPTS_SCHEMA = pa.schema([("prompt_id", pa.string()), ("text", pa.string())])
_FEW_TIES, _MOST_TIES = 16, 1000
# FAISS holds thousands of candidates for each query that it answers at once.
_QUERIES_AT_ONCE = 512
Ordinals = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]


class Shard:
    """An open shard; its files stay mapped, so that all workers of a host share one copy."""

    def __init__(self, folder: Path, nprobe: int, k_factor: float | None = None) -> None:
        """Map the files of a shard.

        Args:
            folder: holds the three files.
            nprobe: inverted lists to search for a query; 0 for a flat index.
            k_factor: candidates to score again, a multiple of the neighbours wanted; those that
                the index was made for where it is None.

        Raises:
            CorruptShardError: a file cannot be read, or the three do not belong together.
        """
        try:
            self._index = faiss.read_index(str(folder / VECTORS), faiss.IO_FLAG_MMAP_IFC)
            self._lists = MappedLists(self._index, folder)
            with pa.memory_map(str(folder / PROMPTS)) as file:
                table = pa.ipc.open_file(file).read_all()
            self._sentence = np.load(folder / SENTENCE, mmap_mode="r", allow_pickle=False)
            self._mapped, self._rescoring = (
                np.load(folder / name, mmap_mode="r", allow_pickle=False)
                if (folder / name).exists()
                else self._sentence
                for name in (MAPPED, RESCORING)
            )
        # What a cut or altered file raises depends on where it was cut.
        except Exception as error:
            raise CorruptShardError(
                f"The shard {folder} cannot be read ({reason(error)}): run "
                f"jobs/build_index.py, which writes it anew."
            ) from error
        self._ids, self._texts = table.column("prompt_id"), table.column("text")
        arrays = (self._sentence, self._mapped, self._rescoring)
        sizes = {self._index.ntotal, len(table), *(len(array) for array in arrays)}
        if len(sizes) != 1:
            raise CorruptShardError(
                f"The files of the shard {folder} hold {sorted(sizes)} prompts: run "
                f"jobs/build_index.py, which writes it anew."
            )
        self._nprobe = nprobe
        if k_factor is not None and isinstance(self._index, faiss.IndexRefine):
            self._index.k_factor = k_factor

    @property
    def rows(self) -> int:
        """How many prompts the shard holds."""
        return len(self._ids)

    @property
    def dim(self) -> int:
        """Dimension of a query."""
        return int(self._index.d)

    @property
    def sentence_dim(self) -> int:
        """Dimension of a sentence embedding."""
        return int(self._sentence.shape[1])

    def search(
        self, queries: Vectors, k: int, left_out: Ordinals | None = None
    ) -> tuple[Vectors, Ordinals]:
        """Find the nearest prompts.

        Args:
            queries: float32, (n, d), unit rows.
            k: how many; fewer are found in a smaller shard.
            left_out: ordinals of prompts that must not be found.

        Returns:
            Similarities, float32 (n, k'), best first, and ordinals, int64 (n, k'). Ties are in the
            order of prompt_id. An ordinal of -1 (similarity -inf) fills up where the searched
            lists hold fewer.
        """
        parameters = self._parameters(left_out)
        starts = range(0, max(len(queries), 1), _QUERIES_AT_ONCE)
        parts = [
            self._nearest(queries[start : start + _QUERIES_AT_ONCE], min(k, self.rows), parameters)
            for start in starts
        ]
        similarities, ordinals = zip(*parts, strict=True)
        return np.concatenate(similarities), np.concatenate(ordinals)

    def _nearest(
        self, queries: Vectors, k: int, parameters: faiss.SearchParameters | None
    ) -> tuple[Vectors, Ordinals]:
        # FAISS keeps any of the prompts that tie for the last place: ask for more, to choose.
        most = min(k + _MOST_TIES, self.rows)
        fetched = min(k + _FEW_TIES, most)
        while True:
            similarities, ordinals, beyond = self._found(queries, fetched, parameters)
            similarities[ordinals < 0] = -np.inf
            order = np.lexsort((ordinals, -similarities))[:, :k]
            similarities = np.take_along_axis(similarities, order, 1)
            last = similarities[:, -1]
            if fetched == most or not np.any((last <= beyond) & np.isfinite(last)):
                return similarities, np.take_along_axis(ordinals, order, 1)
            fetched = most

    def _found(
        self, queries: Vectors, count: int, parameters: faiss.SearchParameters | None
    ) -> tuple[Vectors, Ordinals, Vectors]:
        """Find prompts, and what no other prompt's similarity exceeds."""
        if isinstance(self._index, faiss.IndexFlat):
            return search_exactly(self._index, queries, count, parameters)
        similarities, ordinals = self._index.search(queries, count, params=parameters)
        return similarities, ordinals, similarities[:, -1]

    def _parameters(self, left_out: Ordinals | None) -> faiss.SearchParameters | None:
        options: dict[str, object] = {}
        if left_out is not None and len(left_out):
            self._selector = faiss.IDSelectorBatch(left_out)
            options["sel"] = faiss.IDSelectorNot(self._selector)
        if not self._nprobe:
            return faiss.SearchParameters(**options) if options else None
        lists = faiss.SearchParametersIVF(nprobe=self._nprobe, **options)  # type: ignore[call-arg]
        if not isinstance(self._index, faiss.IndexRefine):
            return lists
        again = {"k_factor": self._index.k_factor, "base_index_params": lists}
        return faiss.IndexRefineSearchParameters(**again)

    def ids(self, ordinals: Sequence[int] | Ordinals) -> Texts:
        """Give the ids of prompts as an array of str."""
        ids: Texts = self._ids.take(pa.array(ordinals)).to_numpy()
        return ids

    def texts(self, ordinals: Sequence[int] | Ordinals) -> Texts:
        """Give the texts of prompts as an array of str."""
        texts: Texts = self._texts.take(pa.array(ordinals)).to_numpy()
        return texts

    def sentence(self, ordinals: Ordinals) -> Vectors:
        """Give the sentence embeddings of prompts: float32, (n, d)."""
        return np.asarray(self._sentence[ordinals], dtype=np.float32)

    def mapped(self, ordinals: Ordinals) -> Vectors:
        """Give the CLIP text embeddings of prompts, mapped into the sentence space.

        Where CLIP's text tower is the sentence model itself, these are the sentence embeddings.
        """
        return np.asarray(self._mapped[ordinals], dtype=np.float32)

    def rescoring(self, ordinals: Ordinals) -> Vectors:
        """Give the prompts' embeddings by the second CLIP model: float32, (n, d)."""
        return np.asarray(self._rescoring[ordinals], dtype=np.float32)

    def ordinals_of(self, prompt_ids: Texts) -> Ordinals:
        """Find those of the ids that lie in this shard."""
        if not len(prompt_ids):
            return np.empty(0, dtype=np.int64)
        found = pc.index_in(pa.array(prompt_ids, pa.string()), self._ids.combine_chunks())
        return np.asarray(found.drop_null(), dtype=np.int64)
