"""A training run at one moment <-> one safetensors file, written atomically, that knows its own checksum."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from minialex.backend import to_numpy
from minialex.errors import UserError, one_line
from minialex.files import write_atomically

GROUPS = ("params", "velocity", "state")
NAMES = "[0-9]*-[0-9]*.safetensors"  # of `name_of`, which the best one has not

# Behind the eight bytes of the header's length, a file of ours begins so; then comes the SHA-256 of the whole file, in
# hexadecimal, taken with zeros in this place.
START = b'{"__metadata__":{"minialex":"{\\"sha256\\": \\"'
PLACE = slice(8 + len(START), 8 + len(START) + 64)
ZEROS = b"0" * 64


@dataclass
class Snapshot:
    """Everything that a resumed run needs to go on, bit for bit.

    params, velocity, state: flat dicts by name.  mean: the mean image (256,256,3) that pixels are taken relative to.
    epoch, step: the next step to do, counted from 0 (step within the epoch).
    history: one record for each finished epoch; the schedule's state is a function of it.
    sums: what the unfinished epoch has added up so far.  config: what the run was started with.
    loss_scale: in mixed precision, the fields of the next step's LossScale.
    """

    params: dict
    velocity: dict
    state: dict
    mean: np.ndarray
    config: dict
    epoch: int = 0
    step: int = 0
    history: list = field(default_factory=list)
    sums: dict = field(default_factory=dict)
    loss_scale: dict = field(default_factory=dict)

    def on(self, change: Callable) -> "Snapshot":
        """The same with every parameter, velocity and statistic changed."""
        groups = {group: getattr(self, group).items() for group in GROUPS}
        changed = {group: {name: change(value) for name, value in arrays} for group, arrays in groups.items()}
        return replace(self, **changed)


def save(path: str | Path, snapshot: Snapshot) -> None:
    """Write a snapshot: tensors "params/conv1.W" and so on, the rest as JSON in the metadata, a checksum of it all.

    Raises RunError where the file cannot be written; an older file of that name is then still whole.
    """
    # safetensors writes the memory of an array that is not contiguous in the wrong order, and says nothing.
    tensors = {
        f"{group}/{name}": np.asarray(to_numpy(value), order="C")
        for group in GROUPS
        for name, value in getattr(snapshot, group).items()
    }
    tensors["mean"] = np.asarray(snapshot.mean, order="C")
    rest = {key: getattr(snapshot, key) for key in ("config", "epoch", "step", "history", "sums", "loss_scale")}
    # safetensors sorts the tensors; in "tensors" they are in the network's order.
    record = {"sha256": ZEROS.decode(), "tensors": list(tensors), **rest}
    data = memoryview(to_bytes(tensors, {"minialex": json.dumps(record)}))
    pieces = (data[: PLACE.start], hashlib.sha256(data).hexdigest().encode(), data[PLACE.stop :])

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:
            file.writelines(pieces)

    write_atomically(path, write)


def load(path: str | Path, *, xp) -> Snapshot:
    """Read a snapshot; tensors become arrays of `xp`.

    Raises UserError where the file is not a whole one of ours: a single changed byte, wherever it is, is noticed; and
    PermissionError where it may not be read.
    """
    groups: dict = {group: {} for group in GROUPS}
    try:
        _check_whole(path)
        with safe_open(path, "numpy") as file:
            rest = json.loads(file.metadata()["minialex"])
            for key in rest.pop("tensors"):
                group, _, name = key.partition("/")
                if name:
                    groups[group][name] = xp.asarray(file.get_tensor(key))
            mean = file.get_tensor("mean")
        del rest["sha256"]
        return Snapshot(**groups, mean=mean, **rest)
    except PermissionError:  # the file may well be whole: it is not to be set aside
        raise
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path} is not a whole checkpoint of minialex ({one_line(error)})") from error


def _check_whole(path: str | Path) -> None:
    """Compare a file with the checksum that it states. Raises ValueError where it states none, or another."""
    with open(path, "rb") as file:
        head = file.read(PLACE.stop)
        if head[8 : PLACE.start] != START:
            raise ValueError("it does not begin like one")
        seen = hashlib.sha256(head[: PLACE.start] + ZEROS)
        seen = hashlib.file_digest(file, lambda: seen)
    if seen.hexdigest().encode() != head[PLACE]:
        raise ValueError("a byte of it has changed since it was written: its checksum does not agree")


def name_of(snapshot: Snapshot) -> str:
    """The file name of a snapshot; sorted by name they are sorted by age."""
    return f"{snapshot.epoch:04d}-{snapshot.step:07d}.safetensors"


def latest(folder: str | Path) -> Path | None:
    """The newest checkpoint in a folder, or None."""
    return max(Path(folder).glob(NAMES), default=None)


def last_good(folder: str | Path, *, xp) -> tuple[Snapshot, list[Path]]:
    """The newest whole snapshot in a folder; newer files, which are damaged, get ".damaged" behind their names.

    Returns the snapshot and where the damaged ones are now. Raises UserError where none is whole, and renames nothing.
    """
    damaged: list[Path] = []
    for path in [*_newest_first(folder), Path(folder) / "best.safetensors"]:
        try:
            snapshot = load(path, xp=xp)
        except UserError:
            damaged.append(path)
        else:
            return snapshot, [other.replace(other.with_name(f"{other.name}.damaged")) for other in damaged]
    raise UserError(f"{folder} has no whole checkpoint: start anew with another --out")


def _newest_first(folder: str | Path) -> list[Path]:
    return sorted(Path(folder).glob(NAMES), reverse=True)


def best_of(run: str | Path) -> Path:
    """The checkpoint to use of a run: the file itself, or of a run's folder the best, or the newest where none is best.

    Raises UserError where there is none.
    """
    run = Path(run)
    if run.is_file():
        return run
    best = run / "checkpoints" / "best.safetensors"
    path = best if best.exists() else latest(run / "checkpoints")
    if path is None:
        raise UserError(f"{run} is no folder of a training run, nor a checkpoint: it has no checkpoints")
    return path


def keep_newest(folder: str | Path, count: int) -> None:
    """Remove all but the newest `count` checkpoints; the best one has another name and stays."""
    for path in _newest_first(folder)[count:]:
        path.unlink()
