from promptknn.evaluation.variants import (
    PAPER_ROWS,
    describe,
    grid,
    options,
    table_2,
    with_configured,
)
from promptknn.prediction.combination import Combination
from promptknn.settings import EvaluationSettings, PredictionSettings, Settings


def test_table_2_has_the_paper_s_rows_at_the_paper_s_weights() -> None:
    rows = table_2(EvaluationSettings())
    assert list(rows) == ["Clip", "Clip + KNN (10)", "Clip + KNN (100)"]
    assert rows["Clip"] == Combination(k=1, w1=0.0, w2=1.0)
    assert {(row.w1, row.w2) for name, row in rows.items() if name != "Clip"} == {(0.6, 0.4)}


def test_the_configured_combination_comes_last() -> None:
    settings = PredictionSettings(k=7, weighting="power")
    assert (
        list(with_configured(EvaluationSettings(), settings).values())[-1] == settings.combination
    )


def test_the_grid_has_every_pair_with_weights_that_add_up_to_one() -> None:
    found = grid(EvaluationSettings(grid_neighbours=(5, 50), grid_w1=(0.0, 0.3, 1.0)))
    assert len(found) == 6
    assert all(variant.w1 + variant.w2 == 1 for variant in found.values())


def test_options_have_names_of_their_own_and_hold_the_paper_s() -> None:
    found = options(Settings())
    assert len(set(found.values())) == len(found)
    assert found[describe(Combination())] == Combination()


def test_options_are_those_the_settings_allow() -> None:
    rescoring = {"clip": {"model": "ViT-B-32"}}
    other = Settings.model_validate({
        "clip": {"model": "ViT-L-14"}, "prediction": {"rescoring": rescoring},
    })  # fmt: skip
    assert {option.captions for option in options(Settings()).values()} == {0, 1, 3}
    assert {option.rescoring for option in options(Settings()).values()} == {0.0}
    assert {option.captions for option in options(other).values()} == {0}
    assert {option.rescoring for option in options(other).values()} == {0.0, 0.25, 0.5, 0.75}


def test_rows_of_the_paper_are_told_by_their_names() -> None:
    assert all(name.startswith(PAPER_ROWS) for name in table_2(EvaluationSettings()))
    others = [*grid(EvaluationSettings()), *options(Settings())]
    assert not any(name.startswith(PAPER_ROWS) for name in others)
