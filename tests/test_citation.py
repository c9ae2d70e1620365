import yaml

from promptknn import __version__
from tests.submission import ROOT


def test_the_citation_has_what_its_format_requires_and_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert str(cited["version"]) == __version__
    (paper,) = cited["references"]
    assert paper["title"] == "CLIP Model for Images to Textual Prompts Based on Top-k Neighbors"
    assert {"type", "title", "authors"} <= set(paper)
