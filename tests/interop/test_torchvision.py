import pickle
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from minialex import network
from minialex.errors import UserError
from minialex.interop.layout import adopt
from minialex.interop.torchvision import NAMES, read_safetensors, read_state_dict


@pytest.fixture
def tensors(made):
    ours = made("owt").tensors
    return {theirs: ours[name] for theirs, name in NAMES.items()}


def test_a_safetensors_file(tmp_path, tensors, made):
    save_file(tensors, tmp_path / "a.safetensors")
    weights = read_safetensors(tmp_path / "a.safetensors")
    _, width, params, state = adopt(weights, "a")
    assert (weights.variant, width, state) == ("owt", 1 / 16, {})
    for name, value in made("owt").params.items():
        np.testing.assert_array_equal(params[name], value)


def refused(read, path, message):
    with pytest.raises(UserError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_other_names_are_another_network(tmp_path, tensors):
    path = tmp_path / "a.safetensors"
    save_file(tensors | {"features.1.weight": np.ones(4)}, path)
    refused(read_safetensors, path, "not torchvision's alexnet: it also has features.1.weight")
    del tensors["classifier.6.bias"]
    save_file(tensors, path)
    refused(read_safetensors, path, "not torchvision's alexnet: it has no classifier.6.bias")


def test_a_safetensors_file_cut_short(tmp_path, tensors):
    path = tmp_path / "a.safetensors"
    save_file(tensors, path)
    path.write_bytes(path.read_bytes()[:-1])
    refused(read_safetensors, path, "no whole safetensors file")


def test_without_pytorch_a_state_dict_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    refused(read_state_dict, tmp_path / "a.pth", "pip install torch")


# PyTorch itself

oracle = pytest.mark.oracle
REASON = "PyTorch is not installed: pip install -e '.[oracle]'"


def torch_alexnet():
    """torchvision.models.alexnet at width 1/16 and 5 classes, written out: the same modules, the same names."""
    torch = pytest.importorskip("torch", reason=REASON)
    nn = torch.nn

    class AlexNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 4, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
                nn.Conv2d(4, 12, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
                nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(),
                nn.Conv2d(24, 16, 3, padding=1), nn.ReLU(),
                nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
            )  # fmt: skip
            self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
            self.classifier = nn.Sequential(
                nn.Dropout(), nn.Linear(16 * 6 * 6, 256), nn.ReLU(),
                nn.Dropout(), nn.Linear(256, 256), nn.ReLU(),
                nn.Linear(256, 5),
            )  # fmt: skip

        def forward(self, x):
            return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))

    torch.manual_seed(0)
    return torch, AlexNet().eval()


@oracle
def test_the_logits_are_pytorchs(tmp_path, made):
    torch, model = torch_alexnet()
    torch.save(model.state_dict(), tmp_path / "a.pth")
    net, _, params, state = adopt(read_state_dict(tmp_path / "a.pth"), "a")
    x = made("owt").images
    with torch.no_grad():
        theirs = model(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy()
    ours, _ = network.forward(net.layers, params, x, state=state, train=False)
    assert theirs.std(axis=0).max() > 1e-2 * np.abs(theirs).max(), "the images make a difference"
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@oracle
def test_half_precision_is_read(tmp_path):
    torch, model = torch_alexnet()
    torch.save(model.bfloat16().state_dict(), tmp_path / "a.pth")
    _, _, params, _ = adopt(read_state_dict(tmp_path / "a.pth"), "a")
    np.testing.assert_array_equal(params["fc8.W"].T, model.classifier[6].weight.detach().float().numpy())


@oracle
def test_nothing_but_tensors_is_unpickled(tmp_path):
    torch, model = torch_alexnet()
    path, opened = tmp_path / "a.pth", tmp_path / "opened"
    torch.save(Trap(opened), path)
    refused(read_state_dict, path, "holds more than tensors, and that is never run")
    path.write_bytes(pickle.dumps(Trap(opened), protocol=2))
    refused(read_state_dict, path, "holds more than tensors, and that is never run")
    assert not opened.exists()
    torch.save([1, 2], path)
    refused(read_state_dict, path, "is not torchvision's alexnet")
    path.write_bytes(path.read_bytes()[:200])
    refused(read_state_dict, path, "no state dict that can be read safely")


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return subprocess.call, ([sys.executable, "-c", f"open({str(self.path)!r}, 'w')"],)
