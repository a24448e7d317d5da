"""Cases that every exercise has: what they show, and that they can tell right from wrong."""

import re

import numpy as np
import pytest

from minialex import alexnet, optim
from minialex.check import NAMES
from minialex.check.cases import EDGES, FORWARD, GRADIENTS, RESULT, Case, upstream_mistakes
from minialex.check.compare import fits
from minialex.check.exercises import count, exercise, schedule, ten_crops, update
from minialex.check.mistakes import Looks, diagnose
from minialex.data.augment import ten_patches
from minialex.layers import Conv, Linear


@pytest.mark.parametrize("name", NAMES)
def test_stages_come_in_their_order(name):
    order = [FORWARD, RESULT, GRADIENTS, EDGES]
    stages = list(dict.fromkeys(case.stage for case in exercise(name).cases()))
    assert stages[0] in (FORWARD, RESULT) and EDGES in stages
    assert sorted(stages, key=order.index) == stages or name == "im2col"


SYNONYMS = {  # two names for one array: these are what is said
    "dloss is not used",
    "this is the mask alone: dy is not used",
    "1 - y^2 alone: dy is not used",
    "this says where the maxima are: dy is not used",
    "the cross-term has x itself alone: it sums over the neighbours",
    "a window reaches as far as the stride: windows do not overlap",
    "the momentum has the wrong sign, or v holds what is subtracted",
    "a frozen layer moves: its rate is None",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_known_mistake_shows_somewhere_and_is_named_there_by_its_own_words(name):
    """One that gives the right result in every case could never be named."""
    there, named = set(), set()
    for case, output, words, make in known_of(name):
        there.add(without_numbers(words))
        if (output, words) not in named and (got := wrong_result(make, case.want[output])) is not None:
            named |= {(output, words), without_numbers(words)}
            said = diagnose(got, case.want[output], case.known(output), sizes=case.sizes, tolerance=case.tolerance)
            assert said == words or said in SYNONYMS
        elif isinstance(make, Looks):
            named.add(without_numbers(words))
    assert len(there) > 10 and not there - named


def without_numbers(words):
    return re.sub(r"\d+", "", words)


def known_of(name):
    """(case, output, words, make) of all cases."""
    with np.errstate(all="ignore"):
        for case in exercise(name).cases():
            for output in case.want:
                for words, make in case.known(output):
                    yield case, output, words, make


def wrong_result(make, want):
    """What the mistake leads to; None where it is not possible, or makes no difference."""
    if isinstance(make, Looks):
        return None
    with np.errstate(all="ignore"):
        try:
            got = np.asarray(make(), float)
        except (ValueError, IndexError):
            return None
    return None if fits(got, want.astype(float), 1e-8) or (got.size and not np.isfinite(got).any()) else got


@pytest.mark.parametrize("name", NAMES)
def test_no_kind_of_mistake_is_the_right_result_by_its_looks(name):
    for case, output, words, make in known_of(name):
        assert not (isinstance(make, Looks) and make.test(case.want[output].astype(float))), words


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


def test_pooling_is_asked_for_negative_values_and_for_ties_and_has_none_elsewhere():
    cases = {(case.stage, case.about): case for case in exercise("max_pool").cases()}
    assert cases[EDGES, "negative values alone"].want["y"].max() < 0
    for (_, about), case in cases.items():
        values = case.inputs["x"]
        assert (len(np.unique(values)) < values.size) == (about == "ties")
