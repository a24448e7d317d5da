"""A training run at one moment <-> one safetensors file, written atomically."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from minialex.backend import to_numpy
from minialex.errors import UserError
from minialex.files import write_atomically

GROUPS = ("params", "velocity", "state")


@dataclass
class Snapshot:
    """Everything that a resumed run needs to go on, bit for bit.

    params, velocity, state: flat dicts by name.  mean: the mean image (256,256,3) that pixels are taken relative to.
    epoch, step: the next step to do, counted from 0 (step within the epoch).
    history: one record for each finished epoch; the schedule's state is a function of it.
    sums: what the unfinished epoch has added up so far.  config: what the run was started with.
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


def save(path: str | Path, snapshot: Snapshot) -> None:
    """Write a snapshot: tensors "params/conv1.W" and so on, the rest as JSON in the metadata.

    Raises RunError where the file cannot be written; an older file of that name is then still whole.
    """
    # safetensors writes the memory of an array that is not contiguous in the wrong order, and says nothing.
    tensors = {
        f"{group}/{name}": np.asarray(to_numpy(value), order="C")
        for group in GROUPS
        for name, value in getattr(snapshot, group).items()
    }
    tensors["mean"] = np.asarray(snapshot.mean, order="C")
    rest = {key: getattr(snapshot, key) for key in ("config", "epoch", "step", "history", "sums")}
    data = to_bytes(tensors, {"minialex": json.dumps(rest)})
    write_atomically(path, lambda temporary: temporary.write_bytes(data))


def load(path: str | Path, *, xp) -> Snapshot:
    """Read a snapshot; tensors become arrays of `xp`. Raises UserError where the file is not a whole one of ours."""
    groups: dict = {group: {} for group in GROUPS}
    try:
        with safe_open(path, "numpy") as file:
            rest = json.loads((file.metadata() or {})["minialex"])
            mean = file.get_tensor("mean")
            for key in file.keys():
                group, _, name = key.partition("/")
                if name:
                    groups[group][name] = xp.asarray(file.get_tensor(key))
        return Snapshot(**groups, mean=mean, **rest)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path} is not a whole checkpoint of minialex ({error})") from error


def name_of(snapshot: Snapshot) -> str:
    """The file name of a snapshot; sorted by name they are sorted by age."""
    return f"{snapshot.epoch:04d}-{snapshot.step:07d}.safetensors"


def latest(folder: str | Path) -> Path | None:
    """The newest checkpoint in a folder, or None."""
    return max(Path(folder).glob("[0-9]*-[0-9]*.safetensors"), default=None)


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
    for path in sorted(Path(folder).glob("[0-9]*-[0-9]*.safetensors"), reverse=True)[count:]:
        path.unlink()
