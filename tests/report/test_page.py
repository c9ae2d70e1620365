import itertools
import re
from dataclasses import replace

import pytest

from promptknn.report.content import Neighbour, Report
from promptknn.report.page import bar_width, best_and_worst, columns, page, policy, scale
from tests.report.example import HOSTILE, hostile_report, picture, report
from tests.report.markup import Markup


@pytest.fixture(params=[report, hostile_report], ids=["plain", "hostile"])
def markup(request: pytest.FixtureRequest) -> Markup:
    return Markup(page(request.param()))


def test_hostile_texts_are_shown_and_never_become_markup() -> None:
    plain, hostile = Markup(page(report())), Markup(page(hostile_report()))
    assert len(hostile.all("script")) == len(plain.all("script")) == 1
    assert hostile.all("script")[0].text == plain.all("script")[0].text
    assert [element.attributes["src"][:5] for element in hostile.all("img")] == ["data:"]
    handlers = {name for e in hostile.elements for name in e.attributes if name.startswith("on")}
    assert handlers == set()
    assert HOSTILE in [element.text for element in hostile.all("h3")]


def test_page_asks_nothing_of_the_network(markup: Markup) -> None:
    for element in markup.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            target = element.attributes.get(name)
            assert target is None or target.startswith(("data:", "#")), element
    assert "url(" not in markup.all("style")[0].text
    assert "@import" not in markup.all("style")[0].text
    assert [element for element in markup.elements if "style" in element.attributes] == []


def test_policy_allows_this_page_and_nothing_else() -> None:
    markup = Markup(page(report()))
    style, script = markup.all("style")[0].text, markup.all("script")[0].text
    (meta,) = [e for e in markup.all("meta") if "http-equiv" in e.attributes]
    assert meta.attributes["content"] == policy(style, script)
    assert meta.attributes["content"].startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in meta.attributes["content"]


def test_links_lead_to_what_is_there_and_ids_are_unique(markup: Markup) -> None:
    ids = [e.attributes["id"] for e in markup.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    targets = {e.attributes["href"].removeprefix("#") for e in markup.all("a")}
    named = {e.attributes.get("aria-labelledby") for e in markup.elements} - {None}
    assert targets | named <= set(ids)
    assert "image-1" in targets


def test_everything_has_a_name_for_those_who_listen(markup: Markup) -> None:
    assert markup.all("html")[0].attributes["lang"] == "en"
    assert all(image.attributes["alt"] for image in markup.all("img"))
    labelled = {label.attributes["for"] for label in markup.all("label")}
    assert {field.attributes["id"] for field in markup.all("input")} == labelled
    assert markup.all("button")
    for button in markup.all("button"):
        assert button.attributes["type"] == "button"
        assert button.text
    for drawing in markup.all("svg"):
        hidden = drawing.attributes.get("aria-hidden") == "true"
        assert hidden or drawing.attributes.get("aria-label")
    for cell in markup.all("th"):
        assert cell.attributes["scope"] in ("col", "row")
    assert [element.tag for element in markup.all("main", "h1")] == ["h1", "main"]


def test_headings_leave_out_no_level(markup: Markup) -> None:
    levels = [int(e.tag[1]) for e in markup.all("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_what_the_cosine_to_the_truth_leaves_out_is_said_where_there_is_one() -> None:
    says = "evaluated without prompts that are too close to a truth"
    assert says in page(report(picture("cat.png", 0.9, 0.5), picture("dog.png", 0.2)))
    assert says not in page(report())


def test_bars_are_as_long_as_similarities_say() -> None:
    found = [Neighbour(1, "near", 0.4), Neighbour(2, "half", 0.2), Neighbour(3, "none", -0.1)]
    markup = Markup(page(report(replace(picture("cat.png", 0.5), neighbours=found))))
    bars = [e for e in markup.all("rect") if e.attributes.get("class") == "full"]
    assert [bar.attributes["width"] for bar in bars] == ["100.0", "50.0", "0.0"]


@pytest.mark.parametrize(
    ("similarity", "full", "width"),
    [(0.3, 0.6, "50.0"), (0.7, 0.6, "100.0"), (-1.0, 0.6, "0.0"), (0.123, 1.0, "12.3")],
)
def test_bar_width_is_a_share_of_the_full_bar(similarity: float, full: float, width: str) -> None:
    assert bar_width(similarity, full) == width


@pytest.mark.parametrize(("highest", "full"), [(0.41, 0.5), (0.4, 0.4), (-0.2, 0.1), (1.0, 1.0)])
def test_full_bar_is_the_highest_similarity_rounded_up(highest: float, full: float) -> None:
    shown = replace(picture("cat.png", 0.5), neighbours=[Neighbour(1, "a", highest)])
    assert scale(report(shown)) == pytest.approx(full)


def test_highest_column_fills_the_drawing_and_an_empty_one_is_flat() -> None:
    (distribution,) = report().distributions
    drawn = columns(distribution)
    heights = [float(column["height"]) for column in drawn]
    assert heights[0] == max(heights) == 118.0
    assert heights[1] == 0.0
    assert float(drawn[0]["y"]) + heights[0] == 132.0
    assert drawn[0]["says"] == "0.2 to 0.25: 1"


def test_best_and_worst_go_by_the_truth_where_there_is_one() -> None:
    shown = [
        picture("a", 0.9, 0.1), picture("b", 0.1, 0.8), picture("c", 0.5), picture("d", 0.5, 0.4),
    ]  # fmt: skip
    assert best_and_worst(report(*shown)) == {
        "Nearest to the truth": [1, 3],
        "Farthest from the truth": [0, 3],
    }
    assert best_and_worst(report(*shown[2:3], *shown[:1])) == {
        "Nearest to the truth": [1],
        "Farthest from the truth": [1],
    }


def test_best_and_worst_go_by_agreement_without_a_truth() -> None:
    assert best_and_worst(report()) == {
        "Neighbours agree most": [0],
        "Neighbours agree least": [1],
    }


def test_truth_is_sorted_by_only_where_there_is_one() -> None:
    def keys(of: Report) -> list[str | None]:
        return [button.attributes["data-sort"] for button in Markup(page(of)).all("button")]

    assert keys(report()) == ["name", "agreement", "similarity"]
    assert keys(report(picture("a", 0.1, 0.3)))[-1] == "cosine"


def test_an_image_that_is_gone_is_said_to_be() -> None:
    html = page(report(replace(picture("a", 0.5), thumbnail=None)))
    assert Markup(html).all("img") == []
    assert "The file cannot be read any more." in html


def test_a_lake_without_refusals_says_so() -> None:
    assert "Nothing was rejected." in page(replace(report(), rejections=[]))


def test_script_and_template_agree_on_what_is_searched() -> None:
    html = page(report())
    assert len(re.findall(r"<[a-z0-9]+[^>]* data-search>", html)) >= 2 * 8
    assert '"[data-search]"' in html
