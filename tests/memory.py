"""What processes hold, by the kernel's own count of every mapping."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEAD = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(?P<path>.*)$")
_SIZE = re.compile(r"^(?P<name>\w+): +(?P<kilobytes>\d+) kB$")


@dataclass(frozen=True)
class Memory:
    """Bytes.

    Attributes:
        mapped: share (Pss) of the mappings of files below a folder.
        private: what no other process sees, those files' unaltered pages left out.
    """

    mapped: int = 0
    private: int = 0

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.mapped + other.mapped, self.private + other.private)


def memory_of(process: int, folder: Path) -> Memory:
    """Count what a process holds, the files below a folder apart; nothing where it has ended."""
    mapped = private = 0
    for path, sizes in _mappings(process):
        private += sizes["Private_Dirty"]
        if path.startswith(f"{folder}/"):
            mapped += sizes["Pss"]
        else:
            private += sizes["Private_Clean"]
    return Memory(mapped, private)


def _mappings(process: int) -> Iterator[tuple[str, dict[str, int]]]:
    try:
        lines = Path(f"/proc/{process}/smaps").read_text(errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return
    path, sizes = "", dict[str, int]()
    for line in lines:
        if size := _SIZE.match(line):
            sizes[size["name"]] = int(size["kilobytes"]) * 1024
        elif head := _HEAD.match(line):
            if sizes:
                yield path, sizes
            path, sizes = head["path"], {}
    if sizes:
        yield path, sizes
