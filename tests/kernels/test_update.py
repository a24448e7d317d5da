"""The update in one kernel, on an emulated GPU: what it takes, leaves alone and refuses."""

import numpy as np
import pytest

from minialex import alexnet, kernels, network, optim, train
from minialex.backend import to_numpy
from minialex.optim import Rates
from tests.kernels.cases import LIMITS
from tests.kernels.others import RATES, check_update, training


@pytest.mark.parametrize("dtype", [*LIMITS, "float64"])
def test_agrees_with_the_array_code(xp, dtype):
    check_update(dtype, xp)
    assert len(xp.downloads) == 12, "only what the test itself asked for comes to the host"


def on(xp, arrays):
    return {name: xp.asarray(array) for name, array in arrays.items()}


def same_bits(some, others):
    return all(some[name].get().tobytes() == others[name].tobytes() for name in some)


def test_in_place_and_the_gradients_stay(xp):
    before = training("float16")
    params, velocity, grads = (on(xp, arrays) for arrays in before)
    kept = dict(params)
    kernels.update(params, velocity, grads, RATES)
    assert all(params[name] is kept[name] for name in kept)
    assert not same_bits(params, before[0]) and not same_bits(velocity, before[1]) and same_bits(grads, before[2])
    for name in ("frozen.W", "frozen.b"):
        assert (params[name].get() == before[0][name]).all() and (velocity[name].get() == before[1][name]).all()


def test_a_scaled_loss_is_divided_out(xp):
    """To the bit, where the factor is a power of two."""
    results = []
    for S in (1, 1024):
        params, velocity, grads = (on(xp, arrays) for arrays in training("float16"))
        for name in grads:
            grads[name] *= S
        kernels.update(params, velocity, grads, Rates(0.1, 0.2, momentum=0.7, decay=0.3, bias_decay=0.1, loss_scale=S))
        results.append([value.get().tobytes() for value in [*params.values(), *velocity.values()]])
    assert results[0] == results[1]


def test_a_gradient_may_be_a_view(xp):
    results = []
    for view in (True, False):
        params, velocity, _ = (on(xp, arrays) for arrays in training("float32"))
        g = xp.asarray(np.random.default_rng(5).standard_normal((7, 5)).astype("float32")).T
        one = {"frozen.W": g if view else xp.ascontiguousarray(g)}
        kernels.update({"frozen.W": params["frozen.W"]}, velocity, one, Rates(0.1, 0.1))
        results.append(params["frozen.W"].get().tobytes())
    assert results[0] == results[1]


def test_whole_numbers_are_rates_too(xp):
    params, velocity, grads = (on(xp, arrays) for arrays in training("float32"))
    kernels.update(params, velocity, grads, Rates(1, 1, momentum=0, decay=0, bias_decay=0))
    w, _, g = training("float32")
    assert (params["a.W"].get() == w["a.W"] - g["a.W"]).all()


REFUSED = {
    "float16 weights": (("float16", "float16", "float16"), "need to be float32, got float16 and float16"),
    "a float16 velocity": (("float32", "float16", "float32"), "need to be float32, got float32 and float16"),
    "a wider gradient": (("float32", "float32", "float64"), "need to be float64, got float32"),
}


@pytest.mark.parametrize("dtypes, told", REFUSED.values(), ids=REFUSED.keys())
def test_types_that_do_not_go_together_are_refused(xp, dtypes, told):
    w, v, g = ({"a.W": xp.ones((2, 2), dtype)} for dtype in dtypes)
    with pytest.raises(ValueError, match=f"a.W: beside a gradient of {dtypes[2]}.*{told}"):
        kernels.update(w, v, g, RATES)


def test_where_one_does_not_fit_none_is_updated(xp):
    before = training("float32")
    params, velocity, grads = (on(xp, arrays) for arrays in before)
    grads["own.b"] = xp.zeros(2, "float32")
    with pytest.raises(ValueError, match="own.b has shape"):
        kernels.update(params, velocity, grads, RATES)
    assert same_bits(params, before[0]) and same_bits(velocity, before[1])


def test_numpys_arrays_are_refused():
    with pytest.raises(TypeError, match="update.cu need CuPy's arrays, got those of numpy"):
        kernels.update(*training("float32"), RATES)


def test_a_training_step_with_it_is_one_with_the_array_code(xp):
    net = alexnet.build("paper", classes=3, width=1 / 16)
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((2, *net.input_shape)).astype("float32"), np.array([0, 2])
    results = []
    for library, update in ((np, optim.update), (xp, kernels.update)):
        params, state = network.init(net.layers, net.input_shape, np.random.default_rng(1), xp=library)
        velocity, rng = optim.init_velocity(params), np.random.default_rng(2)
        how = {"rates": Rates(0.1, 0.2), "rng": rng, "update": update}
        train.step(net.layers, params, velocity, state, library.asarray(x), library.asarray(t), **how)
        results.append({name: to_numpy(value) for name, value in params.items()})
    ours, theirs = results
    assert all(np.allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-6) for name in ours)
