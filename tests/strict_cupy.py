"""A strict stand-in for CuPy, to test code meant for a GPU on a machine without one.

`StandIn()` is an `xp` whose arrays hold NumPy arrays. It computes with NumPy, and refuses what CuPy lacks,
and what CuPy does at a cost that nobody sees:

- a name, a method or a keyword that is not in cupy_names.txt (made from the real cupy);
- its arrays mixed with NumPy's or with lists, also as an index (a[numpy_index]) or as a value
  (a[:] = numpy_array), which CuPy would copy to the device without a word;
- NumPy functions on its arrays, iteration over them, np.asarray(a): copies to the host in disguise;
- a Python int above the largest int64 beside an array: CuPy 14 overflows, at least in comparisons (its issue
  9753), where it takes numpy.uint64;
- a matrix product of arrays with more than two axes, which CuPy copies, casts up and computes without TF32.

What is allowed and has its price is noted:

- `uploads`, shapes: copies to the device (array, asarray);
- `downloads`, shapes: copies to the host (asnumpy, get, tolist; also float, int and bool of a single number, and
  indexing by a boolean array), for each of which the host waits;
- `waits`, names: other functions for which the host waits (all that sorts, as Thrust does, or counts results);
- `unordered`, names: functions that add by atomics, in an order that timing decides;
- `launches`, names: whatever is work for the device, so that more work for more images shows.

To make cupy_names.txt anew, in an environment of its own (importing CuPy needs no GPU):

    pip install cupy-cuda13x==14.2.0
    python tests/strict_cupy.py --refresh
"""

import inspect
import operator
import re
import sys
from contextlib import nullcontext
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tests.emulation.raw_module import RawModule

NAMES_FILE = Path(__file__).with_name("cupy_names.txt")
SUBMODULES = ("linalg", "lib", "lib.stride_tricks")
CUDA = (  # what there is of cupy.cuda here
    "Device Event Event.synchronize Stream Stream.record Stream.synchronize Stream.wait_event "
    "alloc_pinned_memory get_current_stream runtime.memGetInfo runtime.getDeviceCount Device.use Device.pci_bus_id"
).split()
NCCL = "all_gather all_reduce reduce_scatter".split()  # of cupyx.distributed's NCCLBackend
UPLOADING = {"array", "asarray", "asanyarray", "ascontiguousarray"}  # these take what is on the host
ARRAY_ARGUMENTS = {"a", "b", "x", "y", "x1", "x2", "arr", "array", "ary", "condition"}
SCALARS = (bool, int, float, np.generic, type(None))
DOWNLOADING = {"get", "item", "tolist"}
WAITING = set(
    "argpartition argsort argwhere array_equal bincount choose compress extract flatnonzero histogram lexsort msort "
    "nonzero partition put sort sort_complex unique".split()
)
UNORDERED = {"add.at", "subtract.at", "bincount", "histogram"}
PRODUCTS = {"matmul", "dot"}
VIEWS = set(
    "asarray broadcast_to empty empty_like expand_dims moveaxis ravel reshape rollaxis sliding_window_view split "
    "squeeze swapaxes transpose view".split()
)


def load_names():
    """{name: the names of its arguments in their order; None for what is not called}."""
    names = {}
    for line in NAMES_FILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, called, arguments = line.partition("(")
            names[name] = arguments.rstrip(")").split(", ") if called else None
    return names


NAMES = load_names() if NAMES_FILE.exists() else {}


class StandIn:
    """The module cupy, or, with a prefix such as "linalg.", a submodule of it."""

    def __init__(self, prefix="", root=None):
        self.prefix, self.root = prefix, root or self
        self.__name__ = "strict_cupy"
        self.uploads, self.downloads, self.waits, self.unordered, self.launches = [], [], [], [], []
        self.ndarray = Array
        self.cuda = Cuda()
        self.pool = SimpleNamespace(total_bytes=lambda: 0, get_limit=lambda: 0)
        self.RawModule = partial(RawModule, self)

    def __getattr__(self, name):
        name = self.prefix + name
        if name in SUBMODULES:
            return StandIn(name + ".", self.root)
        if name not in NAMES:
            raise AttributeError(f"cupy has no {name}, or it needs a device")
        thing = operator.attrgetter(name)(np)
        if isinstance(thing, type) or not callable(thing):
            return thing  # float32, pi, newaxis: the same objects in both
        return Function(self.root, name, thing)

    def asnumpy(self, a, *, order="C"):
        return a.get(order=order)

    def get_default_memory_pool(self):
        return self.pool

    def note(self, name):
        """Write down what a function costs beside its arithmetic."""
        last = name.rpartition(".")[2]
        if last in WAITING:
            self.waits.append(name)
        if name in UNORDERED:
            self.unordered.append(name)
        if last not in VIEWS:
            self.launches.append(name)


class Function:
    """A function of cupy, or a ufunc with its methods (add.at)."""

    def __init__(self, xp, name, function):
        self.xp, self.name, self.function = xp, name, function

    def __getattr__(self, method):
        name = f"{self.name}.{method}"
        if name not in NAMES:
            raise AttributeError(f"cupy has no {name}")
        return Function(self.xp, name, getattr(self.function, method))

    def __call__(self, *args, **kwargs):
        check_keywords(self.name, kwargs)
        names = chain(NAMES[self.name] or (), repeat(""))  # *args have none
        args = [self.argument(name, value) for name, value in zip(names, args, strict=False)]
        kwargs = {name: self.argument(name, value) for name, value in kwargs.items()}
        if self.name in PRODUCTS:
            check_product(*args[:2])
        self.xp.note(self.name)
        result = self.function(*args, **kwargs)
        if self.name in ("empty", "empty_like"):
            result.view("uint8")[...] = 255  # NaN, where numbers are: who reads before writing shall see it
        return wrap(self.xp, result)

    def argument(self, name, value):
        if self.name in UPLOADING and name in ARRAY_ARGUMENTS | {"obj"} and not isinstance(value, Array):
            self.xp.uploads.append(np.shape(value))
            return np.array(value)  # a copy, as an upload is: nothing is shared with the host
        if name in ARRAY_ARGUMENTS and not isinstance(value, (Array, *SCALARS)):
            raise TypeError(f"cupy.{self.name} takes CuPy arrays, got {name} of type {type(value).__name__}")
        return unwrap(self.xp, value)


class Array:
    """cupy.ndarray: a NumPy array (`a`) that belongs to a StandIn (`xp`)."""

    __array_ufunc__ = None  # numpy_array + Array asks Array.__radd__, which refuses

    def __init__(self, xp, a):
        self.xp, self.a = xp, a

    shape, dtype, ndim, size, nbytes, itemsize, strides, flags = (
        property(lambda self, name=name: getattr(self.a, name))
        for name in ("shape", "dtype", "ndim", "size", "nbytes", "itemsize", "strides", "flags")
    )
    T, real, imag = (
        property(lambda self, name=name: Array(self.xp, getattr(self.a, name))) for name in ("T", "real", "imag")
    )

    def __array_namespace__(self, *, api_version=None):
        return self.xp

    def __len__(self):
        return len(self.a)

    def __repr__(self):
        return f"strict_cupy.{self.a!r}"

    def __getitem__(self, key):
        key = self.key(key)
        if any(isinstance(part, np.ndarray) and part.dtype.kind == "b" for part in key):
            self.xp.downloads.append(())  # CuPy must fetch how many entries are chosen
        if any(isinstance(part, np.ndarray) for part in key):
            self.xp.note("take")
        return Array(self.xp, np.asarray(self.a[key]))

    def __setitem__(self, key, value):
        self.xp.note("setitem")
        self.a[self.key(key)] = self.operand(value)

    def __getattr__(self, method):
        name = f"ndarray.{method}"
        if name not in NAMES:
            raise AttributeError(f"cupy.ndarray has no {method}")

        def call(*args, **kwargs):
            check_keywords(name, kwargs)
            if method == "set":
                return self.set_(*args, **kwargs)
            if method in DOWNLOADING:
                self.xp.downloads.append(self.shape)
                return np.array(self.a, order="C") if method == "get" else getattr(self.a, method)()
            args = [unwrap(self.xp, value) for value in args]
            kwargs_ = {keyword: unwrap(self.xp, value) for keyword, value in kwargs.items()}
            self.xp.note(method)
            return wrap(self.xp, getattr(self.a, method)(*args, **kwargs_))

        return call

    def set_(self, host, stream):
        """A copy that is put off for as long as it may be: until somebody waits for it."""
        if host.dtype != self.dtype or host.shape != self.shape:
            raise TypeError(f"{host.dtype} {host.shape} copied to {self.dtype} {self.shape}")
        self.xp.uploads.append(self.shape)
        stream.queue.append(lambda: np.copyto(self.a, host))

    def key(self, key):
        parts = key if isinstance(key, tuple) else (key,)
        for part in parts:
            if isinstance(part, (np.ndarray, list)):
                raise TypeError(f"an index of type {type(part).__name__} is copied to the device silently")
        return tuple(unwrap(self.xp, part) for part in parts)

    def operand(self, other):
        if not isinstance(other, (Array, *SCALARS)):
            raise TypeError(f"a CuPy array is mixed with {type(other).__name__}")
        if isinstance(other, int) and other > np.iinfo(np.int64).max:
            raise OverflowError("int too big to convert")
        return unwrap(self.xp, other)

    def refused(self, *args, **kwargs):
        raise TypeError("a copy to the host in disguise: use to_numpy")

    __array__ = __array_function__ = __iter__ = refused

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __bool__(self):
        return bool(self.item())


class Cuda:
    """cupy.cuda: one device, one current stream that is never behind, and streams that are as late as they may be."""

    def __init__(self):
        self.Stream, self.current = Stream, Stream()
        memory = (80 * 2**30, 80 * 2**30)  # bytes free, and in all
        self.runtime = SimpleNamespace(memGetInfo=lambda: memory, getDeviceCount=lambda: 1)
        self.Device = Device

    def alloc_pinned_memory(self, size):
        return bytearray(size + 100)  # CuPy rounds up

    def get_current_stream(self):
        return self.current


class Device(nullcontext):
    """cupy.cuda.Device: which one makes no difference here."""

    def __init__(self, number=0):
        super().__init__()
        self.number, self.pci_bus_id = number, f"0000:{number:02X}:00.0"

    def use(self):
        pass


class Stream:
    """A queue of work. As the current stream it has none; another does its work when an event calls for it."""

    def __init__(self, **kwargs):
        check_keywords("cuda.Stream", kwargs)
        self.queue, self.done, self.late = [], 0, bool(kwargs)

    def record(self):
        return Event(self, len(self.queue))

    def wait_event(self, event):
        self.queue.append(event.synchronize)
        if not self.late:
            self.synchronize()

    def synchronize(self):
        self.do(len(self.queue))

    def do(self, count):
        while self.done < count:
            self.done += 1
            self.queue[self.done - 1]()


class Event:
    """The place in a stream after so many pieces of work."""

    def __init__(self, stream, count):
        self.stream, self.count = stream, count

    def synchronize(self):
        self.stream.do(self.count)


def add_operators(cls):
    for name in "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift".split():
        function = getattr(operator, name)
        name = name.rstrip("_")
        setattr(cls, f"__{name}__", lambda s, o, f=function: compute(s, f, s.a, s.operand(o)))
        setattr(cls, f"__r{name}__", lambda s, o, f=function: compute(s, f, s.operand(o), s.a))
        if name != "matmul":  # CuPy has no __imatmul__
            in_place = getattr(operator, f"i{name}")
            setattr(cls, f"__i{name}__", lambda s, o, f=in_place: compute(s, f, s.a, s.operand(o)))
    for name in "lt le eq ne gt ge".split():
        function = getattr(operator, name)
        setattr(cls, f"__{name}__", lambda s, o, f=function: compute(s, f, s.a, s.operand(o)))
    for name in "neg pos abs invert".split():
        function = getattr(operator, name)
        setattr(cls, f"__{name}__", lambda s, f=function: compute(s, f, s.a))
    cls.__hash__ = None


def compute(array, function, *operands):
    """What an operator of NumPy's arrays gives, on the device of `array`."""
    if function is operator.matmul:
        check_product(*operands)
        function = product
    array.xp.note("operator")
    return wrap(array.xp, function(*operands))


def product(a, b):
    """The matrix product: of float16 summed in float32, as cuBLAS does, and by BLAS, which NumPy has not for it."""
    if a.dtype == b.dtype == "float16":
        return (a.astype("float32") @ b.astype("float32")).astype("float16")
    return a @ b


add_operators(Array)


def check_keywords(name, kwargs):
    allowed = NAMES[name] or []
    for keyword in kwargs:
        if keyword not in allowed and "**kwargs" not in allowed:
            raise TypeError(f"cupy's {name} has no argument {keyword!r}")


def check_product(*factors):
    if any(np.ndim(factor) > 2 for factor in factors):
        shapes = " and ".join(str(np.shape(factor)) for factor in factors)
        raise TypeError(f"a product of {shapes} is one of many small ones: reshape to two axes, for one of the batch")


def unwrap(xp, value):
    """The NumPy array in an Array; sequences item by item; TypeError for a NumPy array."""
    if isinstance(value, Array):
        if value.xp is not xp:
            raise TypeError("arrays of two stand-ins are mixed")
        return value.a
    if isinstance(value, np.ndarray):
        raise TypeError("a NumPy array is mixed with CuPy arrays")
    return type(value)(unwrap(xp, part) for part in value) if isinstance(value, (tuple, list)) else value


def wrap(xp, result):
    """NumPy's result as CuPy gives it: 0-d arrays, which stay on the device, in place of scalars."""
    if isinstance(result, (tuple, list)):
        return type(result)(wrap(xp, part) for part in result)
    return Array(xp, np.asarray(result)) if isinstance(result, (np.ndarray, np.generic)) else result


def write_names():
    import cupy

    lines = [f"# Made by `python tests/strict_cupy.py --refresh` from cupy {cupy.__version__}."]
    for prefix in ("", *(f"{name}." for name in SUBMODULES), "ndarray."):
        owner = operator.attrgetter(prefix.rstrip("."))(cupy) if prefix else cupy
        for name in sorted(dir(owner)):
            thing = getattr(owner, name)
            if not name.startswith("_") and not inspect.ismodule(thing):
                lines += describe(prefix + name, thing)
    for name in CUDA:
        lines += describe(f"cuda.{name}", operator.attrgetter(name)(cupy.cuda))
    from cupyx.distributed import NCCLBackend

    for name in NCCL:
        lines += describe(f"NCCLBackend.{name}", getattr(NCCLBackend, name))
    NAMES_FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def describe(name, thing):
    """The line of a name, with its arguments where it is called; for a ufunc also those of its methods."""
    import cupy

    if isinstance(thing, cupy.ufunc):
        inputs = [f"x{i + 1}" for i in range(thing.nin)]
        lines = [f"{name}({', '.join([*inputs, 'out', 'dtype', 'casting'])})"]
        for method in ("at", "outer", "reduce"):
            lines += describe(f"{name}.{method}", getattr(thing, method))
        return lines
    try:
        parameters = inspect.signature(thing).parameters.values()
        arguments = [re.split("[:=]", str(p))[0] for p in parameters]  # with the stars of *args and **kwargs
    except (TypeError, ValueError):  # compiled: the first line of its docstring has the signature
        match = re.match(r"[\w.]+\((.*)\)(?: -> .*)?$", (thing.__doc__ or "").partition("\n")[0])
        if not match or isinstance(thing, type) or not callable(thing):
            return [name]
        arguments = [part.partition("=")[0].split()[-1] for part in match[1].split(",") if part.strip()]
    return [f"{name}({', '.join(argument for argument in arguments if argument not in ('self', '/', '*'))})"]


if __name__ == "__main__":
    if sys.argv[1:] != ["--refresh"]:
        sys.exit("usage: python tests/strict_cupy.py --refresh")
    write_names()
