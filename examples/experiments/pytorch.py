"""`code2012` written out a second time, in PyTorch's layers and with its gradients, for the comparison in photos.py."""

import numpy as np
import torch
from torch import nn

from minialex.ops import dropout_mask


class TowerLRN(nn.Module):
    """LRN inside each of two towers; PyTorch divides alpha by n by itself, as the authors' code does."""

    def forward(self, x):
        towers = [nn.functional.local_response_norm(tower, 5, alpha=1e-4, beta=0.75, k=2.0) for tower in x.chunk(2, 1)]
        return torch.cat(towers, dim=1)


class MapNorm(nn.Module):
    """x / (1 + alpha/25 * the sum of x^2 over 5x5 pixels)^beta; their mean, zeros counted, is a 25th of the sum."""

    def forward(self, x):
        mean = nn.functional.avg_pool2d(x * x, 5, stride=1, padding=2, count_include_pad=True)
        return x / (1 + 1e-3 * mean) ** 0.75


class Dropout(nn.Module):
    """The paper's: in training a mask that is set before each step, in testing half."""

    mask = None

    def forward(self, x):
        return x * self.mask if self.training else x * 0.5


class Flatten(nn.Module):
    """Rows, columns, maps: the order in which minialex has them."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class Model:
    """The network and its training, from parameters of minialex."""

    def __init__(self, params: dict):
        self.layers = _layers({name: _converted(value) for name, value in params.items()})
        self.velocity = [torch.zeros_like(p) for p in self.layers.parameters()]

    def step(self, x, t, rates, rng) -> float:
        """One step of section 5 on x (N,H,W,3) and t (N,); the loss."""
        self.layers.train()
        for layer in (layer for layer in self.layers if isinstance(layer, Dropout)):
            layer.mask = torch.from_numpy(dropout_mask((len(x), layer.units), 0.5, rng, xp=np))
        loss = nn.functional.cross_entropy(self.layers(_images(x)), torch.from_numpy(t))
        grads = torch.autograd.grad(loss, list(self.layers.parameters()))
        with torch.no_grad():
            for w, v, g in zip(self.layers.parameters(), self.velocity, grads, strict=True):
                rate, decay = rates.of("", w)
                v.mul_(rates.momentum).sub_(rate * (decay * w + g))
                w.add_(v)
        return loss.item()

    @torch.no_grad()
    def probabilities(self, batches) -> tuple[np.ndarray, np.ndarray]:
        """As minialex.evaluate.probabilities: the outputs of an image's crops averaged, and the labels."""
        self.layers.eval()
        outputs, labels = [], []
        for x, t in batches:
            p = self.layers(_images(x)).double().softmax(dim=1).numpy()
            outputs.append(p.reshape(len(t), -1, p.shape[1]).mean(axis=1))
            labels.append(t)
        return np.concatenate(outputs), np.concatenate(labels)


    def more(self, photos) -> dict:
        """Nothing: it is here for the comparison."""
        return {}


def _images(x) -> torch.Tensor:
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def _converted(value) -> torch.Tensor:
    """A copy of a parameter of minialex in PyTorch's order of axes."""
    order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[value.ndim]
    return torch.from_numpy(value.transpose(order).copy())


def _layers(params: dict) -> nn.Sequential:
    def conv(name: str, stride: int = 1, pad: int = 0, groups: int = 1) -> nn.Conv2d:
        maps, channels, kernel, _ = params[f"{name}.W"].shape
        return _filled(nn.Conv2d(channels * groups, maps, kernel, stride, pad, groups=groups), params, name)

    def linear(name: str) -> nn.Linear:
        units, inputs = params[f"{name}.W"].shape
        return _filled(nn.Linear(inputs, units), params, name)

    def dropout(name: str) -> Dropout:
        layer = Dropout()
        layer.units = params[f"{name}.b"].numel()
        return layer

    return nn.Sequential(
        nn.ZeroPad2d((0, 3, 0, 3)),  # right and below
        conv("conv1", stride=4), TowerLRN(), nn.MaxPool2d(3, 2), nn.ReLU(),
        conv("conv2", pad=2, groups=2), nn.ReLU(), TowerLRN(), MapNorm(), nn.MaxPool2d(3, 2),
        conv("conv3", pad=1), nn.ReLU(),
        conv("conv4", pad=1, groups=2), nn.ReLU(),
        conv("conv5", pad=1, groups=2), nn.MaxPool2d(3, 2), nn.ReLU(),
        Flatten(),
        linear("fc6"), nn.ReLU(), dropout("fc6"),
        linear("fc7"), nn.ReLU(), dropout("fc7"),
        linear("fc8"),
    )  # fmt: skip


def _filled(layer, params: dict, name: str):
    layer.weight.data, layer.bias.data = params[f"{name}.W"], params[f"{name}.b"]
    return layer
