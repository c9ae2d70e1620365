import subprocess
import sys

from promptknn.online_settings import OFFLINE_SECTIONS, OnlineSettings
from promptknn.settings import Settings


def test_every_section_is_of_the_online_stage_or_left_to_jobs() -> None:
    assert set(Settings.model_fields) - set(OnlineSettings.model_fields) == OFFLINE_SECTIONS


def test_reading_them_imports_no_spark() -> None:
    code = (
        "import sys; from promptknn.settings_file import load_online_settings;"
        "load_online_settings(None, ['prediction.k=7']); print('pyspark' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert printed.stdout.decode().strip() == "False"
