"""How many images a second does reading give, against torch's DataLoader over the same arrays?

    python benchmarks/reader.py

Both take random 224x224 patches of prepared 256x256 images in a random order, mirror half of them, and subtract a mean
image; batches of 128, float32. torch reads the shards by memory map, with torchvision's transforms, at 0, 1, 2 and 4
worker processes. All take turns, for so many rounds; the medians count. The images are random bytes, in the page
cache. Exit status 1 where ours is less than twice torch's best. Needs torch and torchvision.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from startup import write_packed

from minialex.data.augment import Augmentation
from minialex.data.batches import train_batches
from minialex.data.packed import IMAGE, Packed, open_packed
from minialex.data.preprocess import Preprocessing
from minialex.errors import RunError, UserError, main_status

SHARDS, SHARD = 12, 256  # 604 MB
BATCH, SIZE = 128, 224
STEPS = 16  # measured in a round, after the first batch
ROUNDS = 3
WORKERS = (0, 1, 2, 4)
FACTOR = 2


def ours(packed: Packed, augmentation: Augmentation = Augmentation(), ahead: int = 2):  # noqa: B008
    return train_batches(
        packed.train,
        Preprocessing(packed.mean),
        size=SIZE,
        batch=BATCH,
        seed=0,
        epoch=0,
        augmentation=augmentation,
        covariance=packed.covariance,
        ahead=ahead,
    )


def torchs(packed: Packed, workers: int):
    """torch's DataLoader, as its tutorials have it: a data set of tensors, and transforms image by image."""
    import torch
    from torchvision.transforms import v2

    shards = [np.load(path, mmap_mode="c") for path in packed.train.files]
    middle = (IMAGE[0] - SIZE) // 2
    mean = torch.from_numpy(packed.mean).permute(2, 0, 1)[:, middle : middle + SIZE, middle : middle + SIZE]
    mean = mean.contiguous()
    transform = v2.Compose([v2.RandomCrop(SIZE), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32)])

    class Images(torch.utils.data.Dataset):
        def __len__(self):
            return len(packed.train)

        def __getitem__(self, k):
            image = torch.from_numpy(shards[k // SHARD][k % SHARD]).permute(2, 0, 1)
            return transform(image) - mean, int(packed.train.labels[k])

    return iter(torch.utils.data.DataLoader(Images(), BATCH, shuffle=True, num_workers=workers))


def rate(batches) -> float:
    """Images a second, once the first batch is there; each batch is let go before the next."""
    next(batches)
    began = time.perf_counter()
    for _ in range(STEPS):
        x, _ = next(batches)
        assert x.shape[0] == BATCH
        del x
    return STEPS * BATCH / (time.perf_counter() - began)


def main(argv=None):
    try:
        import torchvision  # noqa: F401
    except ImportError as error:
        raise UserError("this needs torch and torchvision: pip install torch torchvision") from error
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as temporary:
        pixels = [rng.integers(256, size=(SHARD, *IMAGE), dtype=np.uint8) for _ in range(SHARDS)]
        write_packed(Path(temporary), {"train": pixels, "val": [1]}, classes=2)
        del pixels
        packed = open_packed(temporary)
        colour = Augmentation(color="stdev", divisor=1.1)
        readers = {
            "minialex, first epoch (checksums)": lambda: ours(open_packed(temporary)),
            "minialex": lambda: ours(packed),
            "minialex, one thread": lambda: ours(packed, ahead=1),
            "minialex, with colour noise": lambda: ours(packed, colour),
        } | {f"torch, {n} workers": lambda n=n: torchs(packed, n) for n in WORKERS}
        packed.train.images(range(len(packed.train)))
        rates = {name: [] for name in readers}
        for _ in range(ROUNDS):
            for name, reader in readers.items():
                rates[name].append(rate(reader()))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    best = max(value for name, value in medians.items() if name.startswith("torch"))
    for name, value in medians.items():
        print(f"{name:35} {value:8,.0f} images/s  {value / best:5.2f} of torch's best")
    if medians["minialex"] < FACTOR * best:
        raise RunError(f"expected {FACTOR} times torch's best")


if __name__ == "__main__":
    sys.exit(main_status(main))
