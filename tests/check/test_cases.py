"""Cases that every exercise has: what they show, and that they can tell right from wrong."""

import re

import numpy as np
import pytest

from minialex import alexnet, optim
from minialex.check import NAMES
from minialex.check.cases import EDGES, FORWARD, GRADIENTS, RESULT, Case, upstream_mistakes
from minialex.check.compare import fits
from minialex.check.exercises import count, exercise, schedule, ten_crops, update
from minialex.check.mistakes import Looks
from minialex.data.augment import ten_patches
from minialex.layers import Conv, Linear


@pytest.mark.parametrize("name", NAMES)
def test_stages_come_in_their_order(name):
    order = [FORWARD, RESULT, GRADIENTS, EDGES]
    stages = list(dict.fromkeys(case.stage for case in exercise(name).cases()))
    assert stages[0] in (FORWARD, RESULT) and EDGES in stages
    assert sorted(stages, key=order.index) == stages or name == "im2col"


@pytest.mark.parametrize("name", NAMES)
def test_a_known_mistake_is_another_result_in_one_case_at_least(name):
    """One that gives the right result in every case could never be named."""
    seen, told = set(), set()
    for words, make, want in known_of(name):
        words = re.sub(r"\d+", "", words)
        seen.add(words)
        if isinstance(make, Looks) or _differs(make, want):
            told.add(words)
    assert not seen - told


def known_of(name):
    """(words, make, want) of all cases."""
    with np.errstate(all="ignore"):
        for case in exercise(name).cases():
            for output, want in case.want.items():
                for words, make in case.known(output):
                    yield words, make, want


def _differs(make, want):
    try:
        with np.errstate(all="ignore"):
            return not fits(np.asarray(make(), float), want.astype(float), 1e-8)
    except (ValueError, IndexError):
        return True


@pytest.mark.parametrize("name", NAMES)
def test_no_kind_of_mistake_is_the_right_result_by_its_looks(name):
    for words, make, want in known_of(name):
        assert not (isinstance(make, Looks) and make.test(want.astype(float))), words


def test_a_probe_is_told_in_one_line():
    case = Case(FORWARD, "about", {"x": np.zeros((3, 4)), "p": {"w": np.zeros(2)}, "n": 5}, None, {})
    assert case.probe == "about; x (3,4), p {w (2,)}, n=5"
    for name in NAMES:
        for case in exercise(name).cases():
            assert "\n" not in case.probe and len(case.probe) < 400


def test_mistakes_in_the_use_of_dy():
    dy = np.random.default_rng(0).standard_normal((3, 2, 2, 4))
    made = {words: make() for words, make in upstream_mistakes("db", dy, _bias_gradient, per_image=False)}
    assert np.allclose(made["sum over the batch missing: gradient of the LAST image only"], dy[-1].sum(axis=(0, 1)))
    assert np.allclose(made["sum over the batch missing: gradient of the FIRST image only"], dy[0].sum(axis=(0, 1)))
    assert np.allclose(
        made["sum over the positions missing: gradient of the LAST position only"], dy[:, -1, -1].sum(axis=0)
    )
    assert np.allclose(made["dy is not used: this is the gradient for an upstream gradient of ones"], 12)


def _bias_gradient(dy):
    return {"db": dy.sum(axis=(0, 1, 2))}


def test_counts_are_those_of_the_networks():
    """The layers that the exercise asks for are the paper's."""
    net = alexnet.build("paper")
    table = [layer for layer in net.layers if isinstance(layer, Conv | Linear)]
    assert [layer.name for layer in table][:5] == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    want = {0: (34944, 105415200), 1: (307456, 223948800), 2: (885120, 149520384), 3: (663936, 112140288)}
    for i, (parameters, macs) in want.items():
        size, kernel, C, OC, stride, pad, groups = count.LAYERS[i]
        assert count.parameters(kernel, C, OC, groups) == parameters
        assert count.macs(size, kernel, C, OC, stride, pad, groups) == macs
    assert count.parameters((6, 6), 256, 4096, 1) == 37752832


def test_crops_are_those_of_the_package():
    patches = ten_patches(1, 224)
    assert ten_crops.five_places(256, 256, 224) == [tuple(place) for place in patches.offsets[:5].tolist()]
    assert patches.mirrored.tolist() == [False] * 5 + [True] * 5


def test_the_parametrised_schedule_is_the_package_s():
    errors = np.random.default_rng(0).random(40).round(1).tolist()
    right = optim.Plateau(2, 10.0, 3)
    assert np.array_equal(schedule.scales(errors, 2, 10.0, 3), [right.scale(e, errors) for e in range(41)])


def test_the_parametrised_step_is_the_package_s():
    rng = np.random.default_rng(0)
    w, v, g = (rng.standard_normal((3, 2)) for _ in range(3))
    new_v, new_w = update.step(w, v, g, 0.3, 0.2, 0.9)
    params, velocity = {"a.W": w.copy()}, {"a.W": v.copy()}
    optim.update(params, velocity, {"a.W": g}, optim.Rates(0.3, 0.3, momentum=0.9, decay=0.2, bias_decay=0.2))
    assert np.allclose(params["a.W"], new_w) and np.allclose(velocity["a.W"], new_v)
