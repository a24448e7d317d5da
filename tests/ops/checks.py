"""What every pair must show, written once: the test files hold shapes, constants and formulas."""

import hashlib

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings

from minialex import gradcheck

# No shrinking: the shapes are small already. The rest is as tests/conftest.py sets it for all tests.
DRAWS = settings(max_examples=60, phases=(Phase.explicit, Phase.generate))


def over(cases, examples, draws=DRAWS):
    """Run a test on `case` for each of the examples, which show every feature, then for drawn cases."""

    def decorate(test):
        for case in reversed(examples):
            test = example(case=case)(test)
        return draws(given(case=cases)(test))

    return decorate


def generator(seed=0):
    return np.random.default_rng(seed)


def as_tuple(grads):
    return grads if isinstance(grads, tuple) else (grads,)


def agree(got, want, tolerance=1e-10):
    """Same shape, and the largest difference is small against the largest entry."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    limit = tolerance * max(1.0, np.max(np.abs(want), initial=0.0))
    assert np.max(np.abs(got - want), initial=0.0) <= limit


def digest(arrays):
    return [hashlib.sha256(np.asarray(array).tobytes()).hexdigest() for array in arrays]


def run(pair, arrays, **kwargs):
    """y, a random dy, and the gradients. Nothing that goes in or comes out may change on the way."""
    inputs = [value for value in (*arrays, *kwargs.values()) if isinstance(value, np.ndarray)]
    before = digest(inputs)
    y, cache = pair.forward(*arrays, **kwargs)
    dy = np.asarray(generator(1).standard_normal(np.shape(y)), dtype=arrays[0].dtype)
    between = digest([y, dy])
    grads = as_tuple(pair.backward(dy, cache))
    first = digest(grads)
    assert digest(as_tuple(pair.backward(dy, cache))) == first, "a second backward gives another gradient"
    assert digest(inputs) == before, "an argument was changed"
    assert digest([y, dy, *grads]) == between + first, "y, dy or a gradient was changed"
    return y, dy, grads


def agrees_with_loops(pair, loops, loops_grad, arrays, **kwargs):
    y, dy, grads = run(pair, arrays, **kwargs)
    agree(y, loops(*arrays, **kwargs))
    for got, want in zip(grads, as_tuple(loops_grad(dy, *arrays, **kwargs)), strict=True):
        agree(got, want)


def agrees_with_differences(pair, arrays, **kwargs):
    gradcheck.assert_pair(pair.forward, pair.backward, arrays, rng=generator(2), tolerance=1e-7, **kwargs)


def agrees_with_torch(pair, torch_forward, arrays, **kwargs):
    """`torch_forward` takes and gives tensors in our layout, so that autograd's gradients are in it too."""
    torch = pytest.importorskip("torch")
    y, dy, grads = run(pair, arrays, **kwargs)
    tensors = [torch.tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]
    out = torch_forward(*tensors, **kwargs)
    out.backward(torch.tensor(dy))
    agree(y, out.detach().numpy())
    wanted = [tensor.grad.numpy() for tensor in tensors if tensor.requires_grad]
    for got, want in zip(grads, wanted, strict=True):
        agree(got, want)


def keeps_dtype(pair, arrays, **kwargs):
    """float64 gives float64; float32 gives float32 and, to its precision, the same numbers."""
    y, _, grads = run(pair, arrays, **kwargs)
    narrow_kwargs = {name: narrow(value) for name, value in kwargs.items()}
    narrow_y, _, narrow_grads = run(pair, [narrow(array) for array in arrays], **narrow_kwargs)
    for wide, got in zip((y, *grads), (narrow_y, *narrow_grads), strict=True):
        assert (wide.dtype, got.dtype) == ("float64", "float32")
        agree(got, wide, tolerance=1e-5)


def narrow(value):
    return value.astype("float32") if getattr(value, "dtype", None) == "float64" else value


def refuses(function, *args, words, **kwargs):
    """ValueError, and its text has all of `words`: what was got and what is needed."""
    with pytest.raises(ValueError) as caught:
        function(*args, **kwargs)
    missing = [word for word in words if str(word) not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"
