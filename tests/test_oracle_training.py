"""Twenty training steps in float64 equal PyTorch's, with the same weights, batches and dropout masks.

PyTorch's networks are written out here a second time, by hand, so that a wrong stride, order or constant in
minialex/alexnet.py shows as well.
"""

from functools import partial

import numpy as np
import pytest

from minialex import alexnet, network, optim
from minialex.ops import dropout_mask, softmax_cross_entropy_backward, softmax_cross_entropy_forward
from minialex.rng import AUGMENT, DROPOUT, INIT, generator

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[oracle]'")
nn = torch.nn

STEPS, BATCH, CLASSES, WIDTH = 20, 4, 10, 1 / 8
RATES = {
    "paper": optim.Rates(weights=0.002, biases=0.002),
    "bn": optim.Rates(weights=0.002, biases=0.002),
    "caffe": optim.Rates(weights=0.002, biases=0.004, bias_decay=0.0),
    "owt": optim.Rates(weights=0.005, biases=0.005),
}


class TowerLRN(nn.Module):
    """The paper's LRN inside each of two towers: alpha on the sum, while PyTorch divides by the window."""

    def forward(self, x):
        lrn = partial(nn.functional.local_response_norm, size=5, alpha=5 * 1e-4, beta=0.75, k=2.0)
        return torch.cat([lrn(tower) for tower in x.chunk(2, dim=1)], dim=1)


class FlattenLikeOurs(nn.Module):
    """Rows, columns, maps: the order of our fc6's weights."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class MaskedDropout(nn.Module):
    """Dropout by a mask that is put here before each step: inverted, or without a factor as in the paper."""

    def __init__(self, inverted):
        super().__init__()
        self.scale = 2.0 if inverted else 1.0

    def forward(self, x):
        return x * self.mask * self.scale


def towers(first, norm1, norm2, inverted):
    """`paper` at width 1/8; `first` stands before it."""
    return nn.Sequential(
        *first,
        nn.Conv2d(3, 12, 11, stride=4), nn.ReLU(), norm1, nn.MaxPool2d(3, 2),
        nn.Conv2d(12, 32, 5, padding=2, groups=2), nn.ReLU(), norm2, nn.MaxPool2d(3, 2),
        nn.Conv2d(32, 48, 3, padding=1), nn.ReLU(),
        nn.Conv2d(48, 48, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(48, 32, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        FlattenLikeOurs(),
        nn.Linear(6 * 6 * 32, 512), nn.ReLU(), MaskedDropout(inverted),
        nn.Linear(512, 512), nn.ReLU(), MaskedDropout(inverted),
        nn.Linear(512, CLASSES),
    )  # fmt: skip


def owt():
    return nn.Sequential(
        nn.Conv2d(3, 8, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 24, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(),
        nn.Conv2d(48, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        FlattenLikeOurs(),
        MaskedDropout(True), nn.Linear(6 * 6 * 32, 512), nn.ReLU(),
        MaskedDropout(True), nn.Linear(512, 512), nn.ReLU(),
        nn.Linear(512, CLASSES),
    )  # fmt: skip


def torch_network(variant):
    pad = [nn.ZeroPad2d((0, 3, 0, 3))]  # left, right, top, bottom
    if variant == "paper":
        model = towers(pad, TowerLRN(), TowerLRN(), inverted=False)
    elif variant == "bn":
        model = towers(pad, nn.BatchNorm2d(12), nn.BatchNorm2d(32), inverted=False)
    elif variant == "caffe":
        lrn = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        model = towers([], lrn, lrn, inverted=True)
    else:
        model = owt()
    return model.double().train()


def to_torch(value):
    """A copy of a parameter of ours in PyTorch's order of axes."""
    order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[value.ndim]
    return torch.from_numpy(value.transpose(order).copy())


def batches(input_shape):
    for step in range(STEPS):
        rng = generator(0, AUGMENT, 0, step)
        yield 40 * rng.standard_normal((BATCH, *input_shape)), rng.integers(CLASSES, size=BATCH)


def train_ours(net, params, state, rates):
    velocity, losses = optim.init_velocity(params), []
    for step, (x, t) in enumerate(batches(net.input_shape)):
        rng = generator(0, DROPOUT, 0, step)
        logits, caches = network.forward(net.layers, params, x, state=state, train=True, rng=rng)
        loss, cache = softmax_cross_entropy_forward(logits, t)
        grads = network.backward(net.layers, params, caches, softmax_cross_entropy_backward(1.0, cache))
        state = network.update_state(net.layers, state, caches)
        optim.update(params, velocity, grads, rates)
        losses.append(float(loss))
    return losses, state


def train_torch(model, input_shape, rates):
    # With a constant rate the paper's velocity is -rate times PyTorch's momentum buffer: the same path.
    weights, biases = ([p for p in model.parameters() if (p.ndim == 1) is wanted] for wanted in (False, True))
    optimizer = torch.optim.SGD(
        [
            {"params": weights, "lr": rates.weights, "weight_decay": rates.decay},
            {"params": biases, "lr": rates.biases, "weight_decay": rates.bias_decay},
        ],
        momentum=rates.momentum,
    )
    losses = []
    for step, (x, t) in enumerate(batches(input_shape)):
        put_masks(model, generator(0, DROPOUT, 0, step))
        logits = model(torch.from_numpy(x).permute(0, 3, 1, 2))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(t))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def put_masks(model, rng):
    """The masks that our Dropout records draw from this generator, in their order."""
    for before, layer in zip(model, list(model)[1:], strict=False):
        if isinstance(layer, MaskedDropout):
            units = 6 * 6 * 32 if isinstance(before, FlattenLikeOurs) else 512
            layer.mask = torch.from_numpy(dropout_mask((BATCH, units), 0.5, rng, xp=np, dtype="float64"))


@pytest.mark.parametrize("variant", RATES)
def test_twenty_steps_equal_those_of_pytorch(variant):
    net = alexnet.build(variant, classes=CLASSES, width=WIDTH)
    params, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=np, dtype="float64")
    model = torch_network(variant)
    for theirs, (name, ours) in zip(model.parameters(), params.items(), strict=True):
        assert theirs.shape == to_torch(ours).shape, name
        theirs.data = to_torch(ours)
    before = {name: value.copy() for name, value in params.items()}

    losses, state = train_ours(net, params, state, RATES[variant])
    their_losses = train_torch(model, net.input_shape, RATES[variant])

    np.testing.assert_allclose(losses, their_losses, rtol=1e-9, atol=0)
    for theirs, (name, ours) in zip(model.parameters(), params.items(), strict=True):
        assert relative_difference(to_torch(ours), theirs) < 1e-9, name
        assert relative_difference(to_torch(before[name]), theirs) > 1e-6, f"{name} did not learn"
    statistics = [buffer for buffer in model.buffers() if buffer.ndim == 1]
    for theirs, (name, ours) in zip(statistics, state.items(), strict=True):
        assert relative_difference(to_torch(ours), theirs) < 1e-9, name


def relative_difference(ours, theirs):
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()
