"""What the pairs share: checks, each of which says what it got and what it needs, and the type of sums."""


def require(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless the condition holds."""
    if not condition:
        raise ValueError(message)


def require_float(op: str, **arrays) -> None:
    """All arrays are of one and the same floating-point type."""
    dtypes = {name: str(array.dtype) for name, array in arrays.items()}
    require(
        len(set(dtypes.values())) == 1 and all(array.dtype.kind == "f" for array in arrays.values()),
        f"{op} needs arrays of one floating-point type, got {dtypes}",
    )


def require_shape(op: str, name: str, shape: tuple, needed: tuple, why: str) -> None:
    """`shape` equals `needed`, which `why` explains."""
    require(tuple(shape) == tuple(needed), f"{op}: {name} has shape {tuple(shape)}, it needs {tuple(needed)} ({why})")


def require_images(op: str, x) -> None:
    """x is a batch of images or maps, (N,H,W,C)."""
    require(x.ndim == 4, f"{op}: x has shape {tuple(x.shape)}, it needs four axes (N,H,W,C)")


def sums_type(dtype) -> str:
    """The name of the type that numbers of `dtype` are added up in: of float16, sums would soon pass the end."""
    return "float64" if dtype == "float64" else "float32"
