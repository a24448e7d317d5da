"""torchvision's alexnet, which is our `owt`: its state dict, from a safetensors file or a .pth."""

import pickle
from pathlib import Path

from safetensors import SafetensorError, safe_open

from minialex.errors import UserError, one_line
from minialex.interop import convention
from minialex.interop.layout import Weights

# Their modules by their place in two nn.Sequential, ours by the paper's layers.
MODULES = {
    "features.0": "conv1",
    "features.3": "conv2",
    "features.6": "conv3",
    "features.8": "conv4",
    "features.10": "conv5",
    "classifier.1": "fc6",
    "classifier.4": "fc7",
    "classifier.6": "fc8",
}
NAMES = {
    f"{theirs}.{long}": f"{ours}.{short}"
    for theirs, ours in MODULES.items()
    for long, short in (("weight", "W"), ("bias", "b"))
}


def read_safetensors(path: Path) -> Weights:
    """The weights of a safetensors file of torchvision's alexnet. UserError where it is another."""
    try:
        with safe_open(path, "numpy") as file:
            _check_keys(path, set(file.keys()))
            return _weights({name: file.get_tensor(name) for name in NAMES})
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise UserError(f"{path} is no whole safetensors file ({one_line(error)})") from error


def read_state_dict(path: Path) -> Weights:
    """The same of a .pth file, which is a pickle: weights_only lets it build tensors and nothing else."""
    try:
        import torch
    except ImportError as error:
        raise UserError(f"{path} is a file of PyTorch's: pip install torch to read it, or give safetensors") from error
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        _check_keys(path, set(tensors))
        return _weights({name: tensors[name].detach().float().numpy() for name in NAMES})
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        raise UserError(f"{path} holds more than tensors, and that is never run: save model.state_dict()") from error
    except Exception as error:  # a pickle fails in whatever its bytes lead to
        raise UserError(f"{path} is no state dict that can be read safely ({one_line(error)})") from error


def _weights(tensors: dict) -> Weights:
    ours = {NAMES[name]: value for name, value in tensors.items()}
    return Weights("owt", ours, convention.torchvision(), notes=("its input is torchvision's",))


def _check_keys(path: Path, keys: set) -> None:
    if missing := sorted(NAMES.keys() - keys):
        raise UserError(f"{path} is not torchvision's alexnet: it has no {missing[0]}")
    if more := sorted(map(str, keys - NAMES.keys())):
        raise UserError(f"{path} is not torchvision's alexnet: it also has {more[0]}")
