import pytest
import torch

from promptknn.encoders.class_profile import weights_file
from promptknn.encoders.efficientnet_lite import EfficientNetLite0
from promptknn.errors import ModelLoadError


@pytest.fixture(scope="module")
def published() -> list[torch.Tensor]:
    tensors = torch.load(weights_file(), map_location="cpu", weights_only=True)
    return [tensor for name, tensor in tensors.items() if "num_batches_tracked" not in name]


def test_it_gives_what_timm_gives(published: list[torch.Tensor]) -> None:
    import timm

    reference = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    names = [name for name in reference.state_dict() if "num_batches_tracked" not in name]
    reference.load_state_dict(dict(zip(names, published, strict=True)), strict=False)
    pixels = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = torch.softmax(reference(pixels), dim=1)
        found = torch.softmax(EfficientNetLite0(published)(pixels), dim=1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_weights_of_another_network_are_refused(published: list[torch.Tensor]) -> None:
    with pytest.raises(ModelLoadError, match=r"are 244 tensors, not 247: reinstall"):
        EfficientNetLite0(published[:-3])
    swapped = [*published[:-2], published[-1], published[-2]]
    with pytest.raises(ModelLoadError, match=r"shape \(1000,\) where \(1000, 1280\) belongs"):
        EfficientNetLite0(swapped)
