"""Other tools of the field, in an environment of their own, to measure beside."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "benchmarks" / "peers"
_ENVIRONMENT = Path(__file__).parents[1] / ".venv-peers"
_REQUIREMENTS = _FOLDER / "requirements.txt"


def run_peer(script: str, *arguments: str) -> Any:
    """Run a script of tests/benchmarks/peers, and give the JSON of its last line."""
    command = [str(_python()), str(_FOLDER / f"{script}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{script} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def _python() -> Path:
    python, stamp = _ENVIRONMENT / "bin" / "python", _ENVIRONMENT / "installed"
    wanted = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    uv = shutil.which("uv", path=f"{os.environ['PATH']}:{Path.home() / '.local' / 'bin'}")
    if uv is None:
        raise SystemExit("uv is missing: run ./build.sh setup in a new clone, which installs it.")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    make = [uv, "venv", "--quiet", "--clear", "--python", version, str(_ENVIRONMENT)]
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(_REQUIREMENTS)]
    for command in (make, install):
        subprocess.run(command, check=True)
    stamp.write_text(wanted)
    return python
