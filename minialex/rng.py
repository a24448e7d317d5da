"""Randomness as a function of position: where a number is drawn decides it, not what was drawn before.

The generator of a step is built from (seed, stream, epoch, step). So a resumed run needs no saved generator
state, and the number of workers cannot change a result.
"""

import numpy as np

INIT, ORDER, AUGMENT, DROPOUT = range(4)  # the streams; their numbers are part of what a seed means


def generator(seed: int, stream: int, epoch: int = 0, step: int = 0) -> np.random.Generator:
    """A generator for one purpose at one place in training; different arguments give independent streams."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, stream, epoch, step])))
