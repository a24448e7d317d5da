"""Threads of a CPU that compute, each with a BLAS of one thread, and memory that stays with the program."""

import ctypes
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController, threadpool_limits

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # glibc's names of what mallopt sets


@contextmanager
def compute_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of `count` threads to compute on; BLAS takes no more either, and memory stays with the program."""
    _keep_memory()
    with ThreadPoolExecutor(count) as pool, threadpool_limits(count):
        yield pool


def _keep_memory() -> None:
    """Ask glibc to keep what arrays give back, up to 1 GB: the next step needs it again, and new pages are cleared.

    Without it some runs take a tenth longer than others, as it happens. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)  # its largest: what is below comes from memory that is kept
        mallopt(M_TRIM_THRESHOLD, 1 << 30)
        mallopt(M_TOP_PAD, 128 << 20)  # beyond a heap of 64 MB: no thread's heap is given back


class Threads:
    """The threads of a pool: each computes a part of a step, its matrix products on that one thread as well."""

    def __init__(self, pool: ThreadPoolExecutor):
        self._pool, self._blas = pool, ThreadpoolController()

    def map(self, run: Callable, *arguments) -> Iterator:
        """Yield run(*those at one place of the arguments), in their order, as Python's own map does."""
        with self._blas.limit(limits=1, user_api="blas"):
            yield from self._pool.map(run, *arguments)
