"""What the pairs do with float16, whose numbers have eleven bits and end at 65,504: sums and powers are float32's."""

from minialex.backend import get_backend, xp_of


def sum_dtype(x):
    """The type of sums over x: float32 for float16, else that of x itself."""
    return "float32" if x.dtype == "float16" else x.dtype


def wide(x):
    """x in the type of its sums: a copy of float16, else x itself."""
    return x.astype(sum_dtype(x), copy=False)


def product(a, b):
    """The matrix product a b, in the type of a and b.

    Of float16 too it is summed in float32 and then rounded, as a GPU's tensor cores do. NumPy has no BLAS for float16:
    there float32's is a hundred times as fast.
    """
    if a.dtype == "float16" and xp_of(a) is get_backend("numpy"):
        return (wide(a) @ wide(b)).astype(a.dtype)
    return a @ b
