import numpy as np
import pytest
from hypothesis import strategies as st

from minialex.ops.dropout import dropout_mask, splitmix64
from tests import oracles
from tests.ops.checks import (
    agree,
    agrees_with_differences,
    agrees_with_loops,
    agrees_with_torch,
    generator,
    keeps_dtype,
    over,
    refuses,
)

# shape, p, inverted, and whether it is training (with a mask)
EXAMPLES = [
    ((3, 8), 0.5, False, True),
    ((3, 8), 0.5, False, False),
    ((2, 3, 4, 5), 0.2, False, True),
    ((2, 3, 4, 5), 0.2, True, True),
    ((4, 6), 0.8, True, False),
    ((4, 6), 0.8, False, False),
    ((5,), 0.0, True, True),
]
CASES = st.tuples(
    st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple),
    st.sampled_from([0.0, 0.1, 0.5, 0.75, 0.9]),
    st.booleans(),
    st.booleans(),
)


def arrays_and_options(case):
    shape, p, inverted, training = case
    rng = generator()
    x, mask = rng.standard_normal(shape), rng.random(shape) >= p
    return [x], {"mask": mask if training else None, "p": p, "inverted": inverted}


def torch_dropout(x, *, mask, p, inverted):
    """PyTorch has the inverted form only; the paper's is (1-p) times as large, in training and in testing."""
    import torch
    import torch.nn.functional as F

    torch.manual_seed(0)
    return F.dropout(x, p, training=mask is not None) * (1.0 if inverted else 1 - p)


@over(CASES, EXAMPLES)
def test_agrees_with_loops(ops, case):
    arrays, options = arrays_and_options(case)
    agrees_with_loops(ops.dropout, oracles.dropout, oracles.dropout_grad, arrays, **options)


@over(CASES, EXAMPLES)
def test_agrees_with_differences(ops, case):
    arrays, options = arrays_and_options(case)
    agrees_with_differences(ops.dropout, arrays, **options)


@pytest.mark.oracle
@over(CASES, EXAMPLES)
def test_agrees_with_torch(ops, case):
    torch = pytest.importorskip("torch")
    [x], options = arrays_and_options(case)
    if options["mask"] is not None:  # torch draws it: where ones survive
        drawn = torch_dropout(torch.ones(x.shape, dtype=torch.float64), **options)
        options["mask"] = drawn.numpy() != 0
    agrees_with_torch(ops.dropout, torch_dropout, [x], **options)


@over(CASES, EXAMPLES)
def test_keeps_dtype(ops, case):
    arrays, options = arrays_and_options(case)
    keeps_dtype(ops.dropout, arrays, **options)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32", "float64"])
def test_a_mask_of_any_type_will_do(ops, dtype):
    x, mask = generator().standard_normal((3, 4)), generator(1).random((3, 4)) < 0.5
    y, _ = ops.dropout.forward(x.astype("float32"), mask=mask.astype(dtype))
    assert y.dtype == "float32" and np.array_equal(y, np.where(mask, x.astype("float32"), 0))


def test_defaults_are_the_form_of_the_paper(ops):
    """In training the half that stays is not scaled; in testing all is, by 0.5."""
    x, mask = np.array([1.0, 2.0, 4.0, 8.0]), np.array([1, 0, 0, 1])
    assert ops.dropout.forward(x, mask=mask)[0].tolist() == [1, 0, 0, 8]
    assert ops.dropout.forward(x, mask=None)[0].tolist() == [0.5, 1, 2, 4]
    assert ops.dropout.forward(x, mask=mask, inverted=True)[0].tolist() == [2, 0, 0, 16]
    assert ops.dropout.forward(x, mask=None, inverted=True)[0].tolist() == [1, 2, 4, 8]


def test_a_dropped_unit_gets_no_gradient(ops):
    _, cache = ops.dropout.forward(np.ones(4), mask=np.array([True, False, False, True]))
    assert ops.dropout.backward(np.array([3.0, 5.0, 7.0, 9.0]), cache).tolist() == [3, 0, 0, 9]


@pytest.mark.parametrize("inverted", [False, True])
def test_testing_gives_the_mean_of_training(ops, inverted):
    x = np.full((4000, 3), [1.0, -2.0, 3.0])
    mask = dropout_mask(x.shape, 0.3, generator(), xp=np)
    trained, _ = ops.dropout.forward(x, mask=mask, p=0.3, inverted=inverted)
    tested, _ = ops.dropout.forward(x, mask=None, p=0.3, inverted=inverted)
    agree(trained.mean(axis=0), tested[0], tolerance=0.03)


def test_what_does_not_fit_is_refused(ops):
    dropout, x = ops.dropout.forward, np.ones((3, 4))
    with pytest.raises(TypeError, match="mask"):
        dropout(x)
    for p in -0.1, 1.0, 1.5, float("nan"):
        refuses(dropout, x, mask=None, p=p, words=[p, "0 <= p < 1"])
        refuses(dropout_mask, (3, 4), p, generator(), xp=np, words=[p, "0 <= p < 1"])
    refuses(dropout, x, mask=np.ones((4, 3)), words=[(4, 3), (3, 4)])
    refuses(dropout, x, mask=np.ones(4), words=["(4,)", (3, 4)])
    refuses(dropout, x.astype("int64"), mask=None, words=["int64", "floating-point"])


# The masks


def test_splitmix64_gives_the_published_numbers():
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert splitmix64(1234567, 5, xp=np).tolist() == published


@pytest.mark.parametrize("key", [0, 1, 2**63, 2**64 - 1])
def test_splitmix64_agrees_with_loops(key):
    state, wanted = key, []
    for _ in range(50):
        state, output = oracles.splitmix64(state)
        wanted.append(output)
    assert splitmix64(key, 50, xp=np).tolist() == wanted


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 0.9])
def test_mask_is_the_key_from_the_generator_and_splitmix64(p):
    """An element stays where its 64 bits, as a fraction of 2^64, are at least p."""
    key = int(generator(5).integers(2**64, dtype="uint64"))
    fractions = [int(bits) / 2**64 for bits in splitmix64(key, 60, xp=np)]
    mask = dropout_mask((3, 4, 5), p, generator(5), xp=np)
    assert mask.ravel().tolist() == [fraction >= p for fraction in fractions]


def test_mask_is_of_the_same_bits_for_the_same_generator():
    masks = [dropout_mask((50, 7), 0.5, generator(3), xp=np) for _ in range(2)]
    assert np.array_equal(*masks)
    assert not np.array_equal(masks[0], dropout_mask((50, 7), 0.5, generator(4), xp=np))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32", "float64"])
def test_mask_has_the_shape_and_type_asked_for(dtype):
    mask = dropout_mask((4, 5, 6), 0.5, generator(), xp=np, dtype=dtype)
    assert mask.shape == (4, 5, 6) and mask.dtype == dtype and set(np.unique(mask).tolist()) == {0, 1}


@pytest.mark.parametrize(("p", "share"), [(0.0, 1.0), (0.01, 0.99), (0.1, 0.9), (0.5, 0.5), (0.9, 0.1)])
def test_mask_drops_at_the_rate_p(p, share):
    """Within five standard deviations of a binomial; the default type counts without overflow."""
    n = 200_000
    kept = int(dropout_mask((n,), p, generator(6), xp=np).sum())
    assert abs(kept - n * share) <= 5 * (n * p * (1 - p)) ** 0.5


@pytest.mark.parametrize("shift", [(0, 1), (0, 2), (0, 64), (1, 0), (2, 0), (1, 1)])
def test_mask_has_no_correlation_between_neighbours(shift):
    down, right = shift
    mask = dropout_mask((512, 512), 0.5, generator(7), xp=np, dtype="float64")
    here, there = mask[: 512 - down, : 512 - right], mask[down:, right:]
    assert abs(np.corrcoef(here.ravel(), there.ravel())[0, 1]) < 5 / here.size**0.5


def test_two_draws_of_one_generator_are_independent():
    """Every draw takes one key and no more, whatever its shape."""
    rng, twin = generator(8), generator(8)
    first, second = (dropout_mask((512, 512), 0.5, rng, xp=np, dtype="float64") for _ in range(2))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / first.size**0.5
    dropout_mask((3,), 0.5, twin, xp=np)
    assert np.array_equal(second, dropout_mask((512, 512), 0.5, twin, xp=np, dtype="float64"))
