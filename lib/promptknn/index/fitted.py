"""What all shards of an index version share: its maps and its trained empty index."""

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from promptknn.index.faiss_file import write_index
from promptknn.index.query_map import FILE, QueryMap
from promptknn.index.ridge import Ridge
from promptknn.index.shard_writer import sha256
from promptknn.sequential_files import write_arrays

TEMPLATE, TEXT_MAP = "template.faiss", "text_map.npz"


@dataclass(frozen=True)
class Fitted:
    """Fitted once, kept by the versions that grow out of this one.

    Attributes:
        query_map: takes images to queries and prompts to keys.
        text_map: takes CLIP text embeddings into the sentence space; None where CLIP's text tower
            is the sentence model.
        template: the trained index without vectors.
    """

    query_map: QueryMap
    text_map: Ridge | None
    template: faiss.Index

    def save(self, folder: Path) -> dict[str, str]:
        """Write the parts into a folder that is made.

        Returns:
            SHA-256 of each file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        names = [FILE, TEMPLATE]
        self.query_map.save(folder)
        write_index(self.template, folder / TEMPLATE)
        if self.text_map:
            names.append(TEXT_MAP)
            write_arrays(folder / TEXT_MAP, vars(self.text_map))
        return {name: sha256(folder / name) for name in names}

    @classmethod
    def load(cls, folder: Path) -> "Fitted":
        """Read what `save` wrote; the files were compared with their SHA-256 before."""
        text_map = None
        if (folder / TEXT_MAP).exists():
            with np.load(folder / TEXT_MAP, allow_pickle=False) as parts:
                text_map = Ridge(**parts)
        template = faiss.read_index(str(folder / TEMPLATE))
        return cls(QueryMap.load(folder), text_map, template)
