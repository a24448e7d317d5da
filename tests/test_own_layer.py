"""A learner's own layer passes the checks that ours pass, and a network takes it like one of ours."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from examples.own_layer import INPUT_SHAPE, LAYERS, PReLU, main, prelu_backward, prelu_forward, stripes, train
from minialex import gradcheck, network
from minialex.backend import to_numpy
from minialex.errors import main_status
from minialex.layers import Conv, Flatten, Linear
from minialex.parallel import by_image_chunks
from minialex.rng import INIT, generator
from tests.strict_cupy import StandIn


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(4, 3), (1, 5, 4, 2), (3, 2, 5, 1)])
def test_the_pair_by_the_definition_and_by_finite_differences(rng, shape):
    x, slope = rng.standard_normal(shape), rng.standard_normal(shape[-1])
    y, _ = prelu_forward(x, slope)
    for place in np.ndindex(shape):
        assert y[place] == (x[place] if x[place] > 0 else slope[place[-1]] * x[place])
    gradcheck.assert_pair(prelu_forward, prelu_backward, (x, slope), rng=rng)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda dx, dslope, dy, x, slope: (dy, dslope),
        lambda dx, dslope, dy, x, slope: (dx * slope, dslope),
        lambda dx, dslope, dy, x, slope: (dx, (dy * x).sum(axis=(0, 1, 2))),
        lambda dx, dslope, dy, x, slope: (dx, dslope / len(x)),
    ],
)
def test_mistakes_that_a_learner_may_make_are_seen(rng, mistake):
    def backward(dy, cache):
        return mistake(*prelu_backward(dy, cache), dy, *cache)

    x, slope = rng.standard_normal((2, 5, 4, 3)), rng.random(3)
    with pytest.raises(AssertionError, match="gradient of (x|slope): relative error"):
        gradcheck.assert_pair(prelu_forward, backward, (x, slope), rng=rng)


def test_a_slope_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"slope has shape \(2,\), it needs \(3,\)"):
        prelu_forward(np.ones((4, 3)), np.ones(2))


@pytest.mark.parametrize("shape", [(6,), (5, 4, 3)])
def test_the_record(rng, shape):
    assert list(PReLU("p").init(shape, rng)) == ["p.slope"]
    gradcheck.assert_layer(PReLU("p"), shape, rng=rng)


def one_step(layers, x, xp, rewrite=lambda layers: layers):
    params, state = network.init(layers, INPUT_SHAPE, generator(0, INIT), xp=xp)
    layers = rewrite(layers)
    logits, caches = network.forward(layers, params, x, state=state, train=True)
    return logits, network.backward(layers, params, caches, logits)


def test_a_network_holds_its_parameters_and_hands_out_their_gradients():
    x, _ = stripes(20, generator(0, INIT))
    logits, grads = one_step(LAYERS, x, np)
    assert logits.shape == (20, 4)
    assert " ".join(grads) == "conv1.W conv1.b prelu1.slope conv2.W conv2.b prelu2.slope fc.W fc.b"
    assert all(grads[name].any() for name in grads)
    assert "prelu1" in network.summary(LAYERS, INPUT_SHAPE)


def test_it_may_come_first_and_twice():
    layers = (PReLU("first"), Conv("conv1", 2, 3), PReLU("second"), Flatten(), Linear("fc", 3))
    _, grads = one_step(layers, stripes(2, generator(0, INIT))[0], np)
    assert grads["first.slope"].shape == (1,) and grads["second.slope"].shape == (2,)
    with pytest.raises(ValueError, match="two layers both have same.slope"):
        network.init((PReLU("same"), PReLU("same")), (4,), generator(0, INIT), xp=np)


def test_it_runs_on_threads_and_on_the_stand_in_for_cupy():
    x, _ = stripes(20, generator(0, INIT))
    logits, grads = one_step(LAYERS, x, np)
    with ThreadPoolExecutor(2) as pool:
        threaded, threaded_grads = one_step(LAYERS, x, np, lambda layers: by_image_chunks(layers, pool))
    np.testing.assert_allclose(threaded, logits, rtol=1e-5, atol=1e-6)
    xp = StandIn()
    device_logits, device_grads = one_step(LAYERS, xp.asarray(x), xp)
    np.testing.assert_array_equal(to_numpy(device_logits), logits)
    for name, grad in grads.items():
        np.testing.assert_array_equal(to_numpy(device_grads[name]), grad)
        np.testing.assert_allclose(threaded_grads[name], grad, rtol=1e-4, atol=1e-4)


def test_training_moves_the_slopes_and_lowers_the_loss():
    params, losses = train(150, seed=1)
    assert np.mean(losses[:10]) > 1.2 and np.mean(losses[-10:]) < 0.5
    assert abs(params["prelu1.slope"] - 0.25).max() > 0.01


def test_the_example_prints_small_errors_and_says_what_is_wrong_with_an_argument(capsys):
    main(["--steps", "3"])
    out = capsys.readouterr().out
    errors = [float(line.split()[1]) for line in out.splitlines() if line.startswith("  ")]
    assert len(errors) == 4 and max(errors) < 1e-9
    assert "after 3 steps" in out
    assert main_status(main, ["--steps", "0"]) == 2
    assert capsys.readouterr().err == "error: --steps is 0: it needs to be at least 1\n"
