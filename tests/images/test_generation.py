import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from promptknn.errors import ModelLoadError
from promptknn.images.diffusion_pipeline import check_generation, generator_identity
from promptknn.images.generation import Picture, PictureGenerator, Refusal, picture_seed
from promptknn.settings import GenerationSettings
from tests.diffusion import OVERFLOWING_WORD, SIDE, UNKNOWN_WORD, save_pipeline

PROMPTS = ("a cat", "a dog on the moon", "a red car", "a boat")
SEEDS = (1, 2, 3, 2**63 - 1)


def tiny(model: Path, **changes: object) -> GenerationSettings:
    tree = {"model": str(model), "steps": 2, "width": SIDE, "height": SIDE, **changes}
    return GenerationSettings.model_validate(tree)


def images(results: Sequence[Picture | Refusal]) -> list[Image.Image]:
    assert all(isinstance(result, Picture) for result in results)
    return [result.image for result in results if isinstance(result, Picture)]


def pixels(results: Sequence[Picture | Refusal]) -> np.ndarray:
    return np.stack([np.asarray(image, np.int16) for image in images(results)])


@pytest.fixture(scope="module")
def generator(diffusion_model: Path) -> PictureGenerator:
    return PictureGenerator(tiny(diffusion_model))


def test_a_prompt_gives_the_same_picture_in_every_batch(generator: PictureGenerator) -> None:
    together = pixels(generator.generate(PROMPTS, SEEDS))
    alone = np.concatenate(
        [
            pixels(generator.generate([prompt], [seed]))
            for prompt, seed in zip(PROMPTS, SEEDS, strict=True)
        ]
    )
    backwards = pixels(generator.generate(PROMPTS[::-1], SEEDS[::-1]))[::-1]
    # A device may round the last bit otherwise in a batch of another size.
    assert np.abs(together - alone).max() <= 1
    assert np.abs(together - backwards).max() <= 1
    assert np.abs(together[0] - together[1]).max() > 10


def test_the_seed_alone_makes_another_picture(generator: PictureGenerator) -> None:
    first, second = pixels(generator.generate(["a cat", "a cat"], [1, 2]))
    assert np.abs(first - second).max() > 10


def test_stochastic_schedulers_draw_from_the_prompts_own_noise(diffusion_model: Path) -> None:
    generator = PictureGenerator(tiny(diffusion_model, scheduler="euler_ancestral"))
    together = pixels(generator.generate(PROMPTS, SEEDS))
    alone = pixels(generator.generate(PROMPTS[2:3], SEEDS[2:3]))
    assert np.abs(together[2] - alone[0]).max() <= 1


def test_pictures_have_the_size_of_the_settings(diffusion_model: Path) -> None:
    generator = PictureGenerator(tiny(diffusion_model, width=48, height=16))
    (image,) = images(generator.generate(["a cat"], [0]))
    assert (image.size, image.mode) == ((48, 16), "RGB")


def test_one_bad_prompt_does_not_cost_the_others_their_pictures(
    generator: PictureGenerator,
) -> None:
    prompts = ["a cat", f"a {UNKNOWN_WORD} cat", f"a {OVERFLOWING_WORD} cat", "a boat"]
    cat, unknown, overflow, boat = generator.generate(prompts, [1, 2, 3, 4])
    assert isinstance(unknown, Refusal)
    assert unknown.reason == "generation_failed"
    assert unknown.detail.startswith("IndexError: ")
    assert overflow == Refusal("not_finite", "the model gave pixels that are no numbers")
    alone = pixels(generator.generate(["a boat"], [4]))
    assert np.abs(pixels([cat, boat])[1] - alone[0]).max() <= 1


@pytest.mark.parametrize(("flags", "said"), [(True, "flagged"), (False, "safe")])
def test_what_the_safety_checker_says_is_kept(tmp_path: Path, flags: bool, said: str) -> None:
    model = save_pipeline(tmp_path / "checked", flags=flags)
    checked = PictureGenerator(tiny(model)).generate(PROMPTS[:2], SEEDS[:2])
    unchecked = PictureGenerator(tiny(model, safety_checker="off")).generate(["a cat"], [1])
    assert [picture.safety for picture in checked if isinstance(picture, Picture)] == [said] * 2
    assert [picture.safety for picture in unchecked if isinstance(picture, Picture)] == [
        "not_checked"
    ]
    assert all((image.getbbox() is None) == flags for image in images(checked))


def test_a_model_without_a_checker_is_said_to_be_unchecked(generator: PictureGenerator) -> None:
    (picture,) = generator.generate(["a cat"], [1])
    assert isinstance(picture, Picture)
    assert picture.safety == "not_checked"


def test_seeds_follow_the_prompt_and_the_number() -> None:
    high = "f" * 32
    assert picture_seed("00000000000000ff" + "0" * 16, 1) == 256
    assert picture_seed(high, 0) == 2**63 - 1
    assert 0 <= picture_seed(high, 1) < 2**63
    assert picture_seed(high, 0) != picture_seed(high, 1)


def test_a_generator_is_known_by_its_weights_and_what_decides_a_picture(
    diffusion_model: Path, tmp_path: Path
) -> None:
    named = generator_identity(tiny(diffusion_model))
    moved = tmp_path / diffusion_model.name
    moved.symlink_to(diffusion_model)
    assert generator_identity(tiny(moved)) == named
    same = {"batch_size": 1, "images_per_prompt": 2, "prompts": 5, "location": str(tmp_path)}
    assert generator_identity(tiny(diffusion_model, **same)) == named
    others = [{"steps": 3}, {"guidance": 1.0}, {"scheduler": "ddim"}, {"safety_checker": "off"}]
    assert len({named, *(generator_identity(tiny(diffusion_model, **o)) for o in others)}) == 5
    other_weights = save_pipeline(tmp_path / "b" / diffusion_model.name, flags=False)
    assert generator_identity(tiny(other_weights)) != named


def test_a_hub_models_revision_is_part_of_its_identity() -> None:
    hub = GenerationSettings(model="maker/a model")
    pinned = GenerationSettings(model="maker/a model", revision="0123abc")
    assert generator_identity(hub).startswith("a-model-")
    assert generator_identity(hub) != generator_identity(pinned)


def test_a_folder_without_a_pipeline_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"model_index\.json: set `generation\.model` to a "):
        check_generation(tiny(tmp_path))
    with pytest.raises(ModelLoadError, match="no model_index"):
        check_generation(tiny(tmp_path / "missing"))


def test_a_pipeline_without_safetensors_is_not_loaded(
    diffusion_model: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(diffusion_model, tmp_path / "pickled")
    for file in model.rglob("*.safetensors"):
        file.rename(file.with_suffix(".bin"))
    check_generation(tiny(model))
    with pytest.raises(ModelLoadError, match=f"'{model}' cannot be loaded"):
        PictureGenerator(tiny(model))
