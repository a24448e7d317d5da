"""How fast do photographs become 256x256 pixels on one core, beside Pillow and torchvision, and are they the same?

    python benchmarks/decode.py --photos FOLDER_OR_TAR

Each round decodes and resizes all photographs by each means in turn; the table has the medians over the rounds, the
speed as a multiple of Pillow's, and how far the pixels are from Pillow's: the largest difference of any pixel, and the
largest of the photographs' mean differences, in grey levels. torchvision is left out where it is not installed.
"""

import argparse
import io
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from minialex.data.decode import decode, resize_crop
from minialex.data.sources import SUFFIXES
from minialex.errors import UserError, main_status

SIDE = 256


def ours(data: bytes) -> np.ndarray:
    image, _ = decode(data)
    return resize_crop(image)


def pillow(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = SIDE / min(image.size)
    W, H = (int(side * scale + 1e-9) for side in image.size)
    left, top = round((W - SIDE) / 2), round((H - SIDE) / 2)
    image = image.resize((W, H), Image.Resampling.BILINEAR).crop((left, top, left + SIDE, top + SIDE))
    return np.array(image)


def torchvision_means() -> dict[str, Callable[[bytes], np.ndarray]]:
    """torchvision's Resize(256) and CenterCrop(256) on what three decoders give; none where it is not installed."""
    try:
        import torch
        from torchvision import io as files
        from torchvision.transforms import v2
    except ImportError:
        print("torchvision is not installed: it is left out")
        return {}
    torch.set_num_threads(1)
    transform = v2.Compose([v2.Resize(SIDE), v2.CenterCrop(SIDE)])

    def on_image(data: bytes) -> np.ndarray:
        return np.array(transform(Image.open(io.BytesIO(data)).convert("RGB")))

    def on_tensor(data: bytes) -> np.ndarray:
        image = v2.functional.pil_to_tensor(Image.open(io.BytesIO(data)).convert("RGB"))
        return transform(image).permute(1, 2, 0).contiguous().numpy()

    def own_decoder(data: bytes) -> np.ndarray:
        encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        image = files.decode_jpeg(encoded, mode=files.ImageReadMode.RGB)
        return transform(image).permute(1, 2, 0).contiguous().numpy()

    return {
        "torchvision, PIL image": on_image,
        "torchvision, PIL image to tensor": on_tensor,
        "torchvision.io.decode_jpeg, tensor": own_decoder,
    }


def read(path: Path) -> list[bytes]:
    """The photographs of a folder, or of an uncompressed tar."""
    if path.is_dir():
        return [file.read_bytes() for file in sorted(path.rglob("*")) if file.suffix.lower() in SUFFIXES]
    try:
        with tarfile.open(path, "r:") as tar:
            return [tar.extractfile(member).read() for member in tar if member.isreg()]
    except (OSError, tarfile.TarError) as error:
        raise UserError(f"{path} is neither a folder nor a tar that can be read: {error}") from error


def measure(means: dict[str, Callable], photos: list[bytes], rounds: int) -> dict[str, float]:
    """Photographs a second: the median over rounds, each of which runs every means once."""
    seconds = {name: [] for name in means}
    for _ in range(rounds):
        for name, make in means.items():
            start = time.perf_counter()
            for data in photos:
                make(data)
            seconds[name].append(time.perf_counter() - start)
    return {name: len(photos) / float(np.median(times)) for name, times in seconds.items()}


def differences(make: Callable, photos: list[bytes]) -> tuple[int, float]:
    """From Pillow's pixels: the largest difference of any, and the largest mean difference of a photograph."""
    off = [np.abs(make(data).astype(int) - pillow(data)) for data in photos]
    return max(int(one.max()) for one in off), max(float(one.mean()) for one in off)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, metavar="PATH", help="a folder or tar of JPEGs")
    parser.add_argument("--rounds", type=int, metavar="N", default=9, help="rounds to take the median of (9)")
    args = parser.parse_args(argv)
    photos = read(args.photos)
    if not photos or args.rounds < 1:
        raise UserError(f"{len(photos)} photographs in {args.photos} and {args.rounds} rounds: both need to be above 0")
    means = {"minialex": ours, "Pillow": pillow} | torchvision_means()
    with threadpool_limits(1):
        speed = measure(means, photos, args.rounds)
    print(f"{len(photos)} photographs, one core, median of {args.rounds} rounds")
    print(f"{'':36}{'images/s':>9}{'x Pillow':>10}{'largest':>9}{'mean off':>10}")
    for name, make in means.items():
        largest, mean = differences(make, photos)
        print(f"{name:36}{speed[name]:9.0f}{speed[name] / speed['Pillow']:10.2f}{largest:9}{mean:10.3f}")


if __name__ == "__main__":
    sys.exit(main_status(main))
