"""Chunks of images on threads: the plain layers' results, and the same bits for any number of threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from minialex import alexnet, network, threads
from minialex.layers import LRN, BatchNorm, Conv, Dropout, Flatten, Linear, MaxPool, NoParameters, ReLU
from minialex.ops import Pair, fast, reference
from minialex.parallel import BLOCK, CHUNK, FEW, Chunks, ColumnBlocks, by_image_chunks, for_backend
from minialex.precision import mixed
from minialex.rng import DROPOUT, INIT, generator
from minialex.threads import compute_threads

SHAPE = (14, 13, 3)
LAYERS = (
    Conv("conv1", 8, 3, stride=2, sigma=0.3, bias=1),
    ReLU(),
    LRN(groups=2, alpha=0.1),
    MaxPool(),
    BatchNorm("bn1"),
    Conv("conv2", 6, 2, groups=2, sigma=0.3),
    ReLU(),
    Flatten(),
    Dropout(),
    Linear("fc3", 5, sigma=0.3),
)


def start(layers, shape, dtype="float32", n=2 * CHUNK + 3):
    params, state = network.init(layers, shape, generator(0, INIT), xp=np, dtype=dtype)
    rng = np.random.default_rng(1)
    x, dlogits = rng.standard_normal((n, *shape)).astype(dtype), rng.standard_normal((n, 5)).astype(dtype)
    return params, state, x, dlogits


def one_step(layers, params, state, x, dlogits, ops=reference):
    """Everything that a step computes, by name."""
    logits, caches = network.forward(layers, params, x, state=state, train=True, rng=generator(0, DROPOUT), ops=ops)
    grads = network.backward(layers, params, caches, dlogits, ops=ops)
    assert list(grads) == list(params)
    tested, _ = network.forward(layers, params, x, state=state, train=False, ops=ops)
    return {"logits": logits, "tested": tested} | network.update_state(layers, state, caches) | grads


def chunked(layers, threads, *arrays):
    with compute_threads(threads) as pool:
        layers, ops = for_backend(layers, np, pool)
        return one_step(layers, *arrays, ops=ops)


@pytest.mark.parametrize("n", [1, CHUNK - 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 3])
@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-6), ("float64", 1e-13)])
def test_the_results_of_the_plain_layers(n, dtype, tolerance):
    arrays = start(LAYERS, SHAPE, dtype, n)
    plain, ours = one_step(LAYERS, *arrays), chunked(LAYERS, 2, *arrays)
    assert set(plain) == set(ours) and {"bn1.mean", "bn1.var", "conv2.W"} < set(ours)
    for name, value in plain.items():
        assert ours[name].dtype == dtype and ours[name].shape == value.shape
        assert np.abs(ours[name] - value).max() <= 10 * tolerance * max(1, np.abs(value).max()), name


@pytest.mark.parametrize("variant", ["paper", "bn"])
def test_the_same_bits_for_any_number_of_threads(variant):
    net = alexnet.build(variant, classes=5, width=1 / 16)
    arrays = start(net.layers, net.input_shape)
    results = [chunked(net.layers, threads, *arrays) for threads in (1, 2, 3)]
    for name, value in results[0].items():
        assert np.abs(value).max() > 0
        assert value.tobytes() == results[1][name].tobytes() == results[2][name].tobytes(), name


def test_a_fully_connected_layer_in_blocks_of_columns():
    units = 2 * BLOCK + 5
    layers, rng = (
        (Linear("fc1", units, sigma=0.1, bias=1), ReLU(), Linear("fc2", 5, sigma=0.1)),
        np.random.default_rng(1),
    )
    params, state = network.init(layers, (30,), generator(0, INIT), xp=np, dtype="float64")
    x, dlogits = rng.standard_normal((7, 30)), rng.standard_normal((7, 5))
    plain, one, two = (
        one_step(layers, params, state, x, dlogits),
        *(chunked(layers, threads, params, state, x, dlogits) for threads in (1, 2)),
    )
    assert plain["fc1.W"].shape == (30, units)
    for name, value in plain.items():
        np.testing.assert_allclose(one[name], value, rtol=1e-11, atol=1e-13, err_msg=name)
        assert one[name].tobytes() == two[name].tobytes() and one[name].flags.c_contiguous, name

    with ThreadPoolExecutor(2) as pool:
        rewritten = by_image_chunks(layers, pool)
        _, caches = network.forward(rewritten, params, x, state=state, train=True)
        dx, _ = network.backward_through(rewritten, caches, dlogits, ops=reference, need_dx=True)
        assert network.backward_through(rewritten, caches, dlogits, ops=reference, need_dx=False)[0] is None
    _, caches = network.forward(layers, params, x, state=state, train=True)
    expected, _ = network.backward_through(layers, caches, dlogits, ops=reference, need_dx=True)
    np.testing.assert_allclose(dx, expected, rtol=1e-11, atol=1e-13)


def kinds(layers):
    """The types of layers, those in chunks in a tuple."""
    return [tuple(kinds(layer.layers)) if isinstance(layer, Chunks) else type(layer) for layer in layers]


def rewritten_kinds(layers):
    with ThreadPoolExecutor(1) as pool:
        return kinds(by_image_chunks(layers, pool))


def test_what_mixes_images_stays_outside():
    front, back = (Conv, ReLU, LRN, MaxPool), (Conv, ReLU, Flatten)
    assert rewritten_kinds(LAYERS) == [(front,), BatchNorm, (back,), Dropout, ColumnBlocks]


def test_kernels_are_transformed_once_a_chunk():
    layers = (ReLU(), Conv("a", 8, 5, pad=2), Conv("b", 8, 3, pad=1), ReLU(), MaxPool(), Conv("c", 8, 3, stride=2))
    assert rewritten_kinds(layers) == [((ReLU,), Conv, Conv, (ReLU, MaxPool, Conv))]


def test_the_table_and_the_layers_for_a_backend():
    with ThreadPoolExecutor(1) as pool:
        layers, ops = for_backend(LAYERS, np, pool)
        assert ops is fast and isinstance(layers[0], Chunks)
        assert for_backend(list(LAYERS), object(), pool) == (LAYERS, reference)


class Shift(NoParameters):
    """A learner's record: an image gets what the one before it had."""

    def __init__(self):
        self.seen = []

    def forward(self, params, x, *, state, train, rng, ops):
        self.seen.append((len(x), threading.current_thread()))
        return np.roll(x, 1, axis=0), None

    def backward(self, dy, cache, *, ops, need_dx=True):
        return np.roll(dy, -1, axis=0), {}


class Watch(Shift):
    """One that says `per_image`, and writes down what it is asked."""

    per_image = True

    def forward(self, params, x, *, state, train, rng, ops):
        self.seen.append((len(x), threading.current_thread()))
        return x, None

    def backward(self, dy, cache, *, ops, need_dx=True):
        self.seen.append(need_dx)
        return dy, {}


class Counting(Watch):
    """One that keeps a running statistic as well."""

    def update_state(self, state, cache):
        return {"counted": state["counted"] + 1}


def test_a_learners_layer_without_per_image_sees_the_whole_batch():
    shift = Shift()
    x = np.arange(20.0).reshape(20, 1, 1, 1)
    with ThreadPoolExecutor(2) as pool:
        y, _ = network.forward(by_image_chunks((ReLU(), shift), pool), {}, x, state={}, train=True)
    assert shift.seen == [(20, threading.main_thread())] and y.ravel().tolist() == [19, *range(19)]
    assert rewritten_kinds((shift,)) == [Shift]


def test_chunks_are_small_and_run_on_the_pool():
    watch = Watch()
    x = np.ones((2 * CHUNK + 3, 2))
    with ThreadPoolExecutor(1) as pool:
        network.forward(by_image_chunks((watch,), pool), {}, x, state={}, train=True)
    assert [size for size, _ in watch.seen] == [FEW] * (2 * CHUNK // FEW) + [FEW, 1]
    assert threading.main_thread() not in {thread for _, thread in watch.seen}


def test_running_statistics_of_a_per_image_layer_are_updated():
    layers = (ReLU(), Counting(), ReLU())
    with ThreadPoolExecutor(2) as pool:
        rewritten = by_image_chunks(layers, pool)
        _, caches = network.forward(rewritten, {}, np.ones((20, 3)), state={"counted": 0}, train=True)
    assert network.update_state(rewritten, {"counted": 0}, caches) == {"counted": 1}
    assert rewritten_kinds(layers) == [((ReLU,),), Counting, ((ReLU,),)]


def test_the_first_layer_is_spared_its_dx_in_every_chunk():
    first, second, third = Watch(), Watch(), Watch()
    with ThreadPoolExecutor(2) as pool:
        layers = by_image_chunks((first, second, Shift(), third), pool)
        x = np.ones((CHUNK + 1, 2))
        _, caches = network.forward(layers, {}, x, state={}, train=True)
        for spy in (first, second, third):
            spy.seen.clear()
        assert network.backward_through(layers, caches, x, ops=reference, need_dx=False)[0] is None
    parts = CHUNK // FEW + 1
    assert (first.seen, second.seen, third.seen) == ([False] * parts, [True] * parts, [True] * parts)


def test_an_error_in_a_chunk_reaches_the_caller():
    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="a window of 3"):
        network.forward(by_image_chunks((MaxPool(),), pool), {}, np.ones((20, 2, 2, 1)), state={}, train=True)


def test_parts_run_the_pairs_of_the_table_they_are_given():
    def linear_backward(dy, cache, *, need_dx=True):
        dx, dW, db = reference.linear.backward(dy, cache, need_dx=need_dx)
        return 3 * dx, dW, db

    linear = Pair(lambda x, W, b: reference.linear.forward(x, W, b + 5), linear_backward)
    table = replace(reference, relu=Pair(lambda x: (x + 2, None), lambda dy, cache: dy * 3), linear=linear)
    params = {"fc.W": np.ones((4, BLOCK + 1)), "fc.b": np.zeros(BLOCK + 1)}
    with ThreadPoolExecutor(2) as pool:
        layers = by_image_chunks((ReLU(), Linear("fc", BLOCK + 1)), pool)
        y, caches = network.forward(layers, params, np.ones((CHUNK + 1, 4)), state={}, train=True, ops=table)
        dx, _ = network.backward_through(layers, caches, np.ones_like(y), ops=table, need_dx=True)
    assert (y == 4 * 3 + 5).all() and (dx == 9 * (BLOCK + 1)).all()


def test_a_first_linear_layer_is_spared_its_dx_in_every_block():
    asked = []

    def linear_backward(dy, cache, *, need_dx=True):
        asked.append(need_dx)
        return reference.linear.backward(dy, cache, need_dx=need_dx)

    table = replace(reference, linear=Pair(reference.linear.forward, linear_backward))
    params = {"fc.W": np.ones((4, BLOCK + 1)), "fc.b": np.zeros(BLOCK + 1)}
    with ThreadPoolExecutor(2) as pool:
        layers = by_image_chunks((Linear("fc", BLOCK + 1),), pool)
        y, caches = network.forward(layers, params, np.ones((2, 4)), state={}, train=True, ops=table)
        assert network.backward_through(layers, caches, y, ops=table, need_dx=False)[0] is None
    assert asked == [False, False]


def test_a_gradient_lies_where_it_lay_before_and_is_another():
    layer = Linear("fc", BLOCK + 1)
    params = {"fc.W": np.ones((4, BLOCK + 1)), "fc.b": np.zeros(BLOCK + 1)}
    with ThreadPoolExecutor(2) as pool:
        layers = by_image_chunks((layer,), pool)

        def gradient(x):
            y, caches = network.forward(layers, params, x, state={}, train=True)
            return network.backward(layers, params, caches, np.ones_like(y))["fc.W"]

        first = gradient(np.full((2, 4), 3.0))
        assert (first == 6).all()
        second = gradient(np.full((3, 4), 5.0))
        assert second is first and (second == 15).all()
        assert gradient(np.full((3, 4), 5.0, "float32").astype("float64")) is first


def test_in_mixed_precision_a_gradient_stays_float32():
    """The widened pair hands it out so: in float16 this one would be infinite."""
    ops, x = mixed(fast, np), np.full((4, 3), 200, "float16")
    params = {"fc.W": np.ones((3, BLOCK + 1), "float16"), "fc.b": np.zeros(BLOCK + 1, "float16")}
    with ThreadPoolExecutor(2) as pool:
        layers = by_image_chunks((Linear("fc", BLOCK + 1),), pool)
        y, caches = network.forward(layers, params, x, state={}, train=True, ops=ops)
        grads = network.backward(layers, params, caches, np.full_like(y, 100), ops=ops)
    assert {name: value.dtype.name for name, value in grads.items()} == {"fc.W": "float32", "fc.b": "float32"}
    assert (grads["fc.W"] == 4 * 200 * 100).all()


def test_what_a_layer_hands_out_is_not_added_to():
    """The gradients of the chunks are added in memory of our own."""
    kept = []

    class Keeping(Watch):
        def backward(self, dy, cache, *, ops, need_dx=True):
            kept.append(np.ones(3))
            return dy, {"w": kept[-1]}

    with ThreadPoolExecutor(2) as pool:
        layers = by_image_chunks((Keeping(),), pool)
        y, caches = network.forward(layers, {}, np.ones((2 * CHUNK, 2)), state={}, train=True)
        _, grads = network.backward_through(layers, caches, y, ops=reference, need_dx=True)
    assert (grads["w"] == 2 * CHUNK // FEW).all() and all((one == 1).all() for one in kept)


def test_a_blas_that_cannot_be_limited_gives_the_same_results(monkeypatch):
    """As Apple's Accelerate, and any that threadpoolctl does not know: the parts then share its threads."""
    arrays = start(LAYERS, SHAPE, "float64")
    limited, unknown = chunked(LAYERS, 2, *arrays), ThreadpoolController().select(user_api="none")
    assert not unknown.lib_controllers
    monkeypatch.setattr(threads, "ThreadpoolController", lambda: unknown)
    for name, value in chunked(LAYERS, 2, *arrays).items():
        np.testing.assert_allclose(value, limited[name], rtol=1e-11, atol=1e-13, err_msg=name)


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


class WatchBlas(Watch):
    """One that writes down how many threads a matrix product inside it would take."""

    def forward(self, params, x, *, state, train, rng, ops):
        self.seen += blas_threads()
        return x, None


def test_a_chunk_takes_one_thread_and_gives_the_others_back():
    """Otherwise each of the pool's threads would start as many of BLAS's as there are cores."""
    watch = WatchBlas()
    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(2) as pool:
        before = blas_threads()
        network.forward(by_image_chunks((watch,), pool), {}, np.ones((CHUNK + 1, 2)), state={}, train=True)
        assert watch.seen == [1] * (CHUNK // FEW + 1) * len(before) and blas_threads() == before
