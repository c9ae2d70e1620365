"""Pictures of a report, phone and desktop, light and dark: python -m tests.report.screenshots."""

import html
import subprocess
import sys
import tempfile
from pathlib import Path

WIDTHS = {"phone": 390, "desktop": 1440}
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--allow-file-access-from-files",
)  # fmt: skip


def main(report: Path, folder: Path, height: int = 3000) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, width in WIDTHS.items():
        for scheme in ("light", "dark"):
            picture = folder / f"{name}-{scheme}.png"
            _take(report.resolve(), picture.resolve(), width, height, dark=scheme == "dark")
            sys.stdout.write(f"{picture}\n")


def _take(report: Path, picture: Path, width: int, height: int, dark: bool) -> None:
    with tempfile.TemporaryDirectory() as home:
        # A window is never as narrow as a phone; a frame is.
        frame = Path(home) / "frame.html"
        frame.write_text(
            f'<body style="margin:0"><iframe src="{html.escape(report.as_uri())}" '
            f'style="border:0;width:{width}px;height:{height}px"></iframe>'
        )
        scheme = ("--blink-settings=preferredColorScheme=0",) if dark else ()
        command = [
            "chromium", *_FLAGS, *scheme, f"--user-data-dir={home}/profile",
            f"--window-size={max(width, 500)},{height}", f"--screenshot={picture}",
            frame.as_uri(),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
