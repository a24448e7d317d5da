import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minialex import rng
from minialex.rng import generator

STREAMS = (rng.INIT, rng.ORDER, rng.AUGMENT, rng.DROPOUT)
natural = st.integers(min_value=0, max_value=2**40)


def first_draws(*place):
    return tuple(generator(*place).integers(2**63, size=4))


def test_streams_have_numbers_of_their_own():
    assert len(set(STREAMS)) == len(STREAMS)


@given(seed=natural, stream=st.sampled_from(STREAMS), epoch=natural, step=natural)
def test_the_same_place_draws_the_same_numbers(seed, stream, epoch, step):
    assert first_draws(seed, stream, epoch, step) == first_draws(seed, stream, epoch, step)


def test_each_place_draws_its_own_numbers():
    places = list(itertools.product((0, 1, 2), STREAMS, (0, 1, 2), (0, 1, 2)))
    assert len({first_draws(*place) for place in places}) == len(places)


def test_what_was_drawn_before_does_not_matter():
    fresh = first_draws(3, rng.AUGMENT, 1, 7)
    generator(3, rng.AUGMENT, 1, 7).standard_normal(1000)
    np.random.random(5)
    assert first_draws(3, rng.AUGMENT, 1, 7) == fresh


def test_the_numbers_of_a_seed_are_pinned():
    """A run that is resumed with other versions of the libraries draws on where it stopped."""
    assert generator(0, rng.INIT).integers(1000, size=6).tolist() == [135, 14, 937, 257, 386, 471]
    assert generator(1, rng.DROPOUT, 2, 3).integers(1000, size=6).tolist() == [91, 574, 328, 715, 223, 518]
