"""Threads to compute on: as many as asked for, BLAS's no more, and memory that is kept."""

import ctypes
import sys

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from minialex.threads import Threads, compute_threads


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_parts_come_in_their_order_and_take_one_thread_of_blas_each():
    with compute_threads(2) as pool:
        before = blas_threads()
        parts = list(Threads(pool).map(lambda a, b: (a + b, blas_threads()), [1, 2, 3], [10, 20, 30]))
        assert [total for total, _ in parts] == [11, 22, 33]
        assert all(set(inside) <= {1} for _, inside in parts) and blas_threads() == before


def test_threads_to_compute_on_and_none_more_for_blas():
    with threadpool_limits(3, user_api="blas"):
        before = blas_threads()
        with compute_threads(2) as pool:
            assert pool._max_workers == 2 and set(blas_threads()) <= {2}
        assert blas_threads() == before


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is asked to keep memory")
def test_the_c_library_is_asked_to_keep_what_a_step_gives_back(monkeypatch):
    asked = {}

    class Library:
        def mallopt(self, parameter, value):
            asked[parameter] = value

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library())
    with compute_threads(1):
        assert asked == {-1: 1 << 30, -2: 1 << 27, -3: 1 << 25}
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())  # another C library
    with compute_threads(1):
        pass
