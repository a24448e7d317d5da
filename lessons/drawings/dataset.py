"""Section 2's preparation of a photo, the mean image, and the gradient of softmax with cross-entropy."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from drawings.style import BLUE, INK, ORANGE, PALE, RED, canvas
from minialex.data import toy
from minialex.data.decode import resize_crop
from minialex.ops import softmax

BALL = toy.CLASSES.index("ball")


def wide_photo() -> np.ndarray:
    """A picture that is no square, (176,256,3): a strip of one of the toy set."""
    return toy.draw(BALL, 19, "val")[40:216]


def resizing():
    """A wide picture, its shorter side at 256, the central square; and squashed, as it must not be."""
    photo = wide_photo()
    H, W = photo.shape[:2]
    wide = 256 * W // H
    resized = np.asarray(Image.fromarray(photo).resize((wide, 256), Image.Resampling.BILINEAR))
    squashed = np.asarray(Image.fromarray(photo).resize((256, 256), Image.Resampling.BILINEAR))
    panels = [
        (photo, f"decoded: {H}x{W}"),
        (resized, f"shorter side to 256: 256x{wide}"),
        (resize_crop(photo), "central square: 256x256"),
        (squashed, "squashed: not the paper"),
    ]
    figure = Figure(figsize=(9, 2.35), layout="constrained")
    line = figure.subplots(1, 4, width_ratios=[image.shape[1] for image, _ in panels])
    for axes, (image, title) in zip(line, panels, strict=True):
        axes.imshow(image)
        axes.set_xlim(-2, image.shape[1] + 1)
        axes.set_ylim(257, -2)  # the same scale for all
        axes.axis("off")
        axes.set_title(title, fontsize=9, color=RED if image is squashed else INK)
    left = round((wide - 256) / 2)
    line[1].add_patch(Rectangle((left, 0), 255, 255, facecolor="none", edgecolor=ORANGE, linewidth=2))
    return figure


def mean_image():
    """The mean of one, ten and sixty toy pictures, one more picture, and what is left of it without the mean."""
    pictures = np.stack([toy.draw(label, index, "train") for index in range(6) for label in range(10)])
    one, new = pictures[BALL], toy.draw(BALL, 5, "val").astype(float)
    mean = pictures.mean(axis=0)
    panels = [
        (one, "one picture"),
        (pictures[:10].mean(axis=0), "mean of 10"),
        (mean, "mean of 60"),
        (new, "another picture"),
        (new - mean + 128, "minus the mean of 60"),
    ]
    figure, line = canvas(9, 2.1, 1, 5)
    for axes, (image, title) in zip(line, panels, strict=True):
        axes.imshow(np.clip(image, 0, 255).astype(np.uint8))
        axes.axis("off")
        axes.set_title(title, fontsize=9)
    return figure


def loss_and_gradient():
    """Left, the loss and its gradient against the label's lead over one other class; right, p and p - onehot."""
    figure, (left, right) = canvas(9, 3.2, 1, 2)
    lead = np.linspace(-6, 6, 121)
    p = softmax(np.stack([lead, 0 * lead], axis=1))[:, 0]
    left.plot(lead, -np.log(p), color=BLUE, label="loss, -log p")
    left.plot(lead, p - 1, color=ORANGE, label="gradient, p - 1")
    left.axhline(0, color=PALE, linewidth=1, zorder=0)
    left.set_xlabel("logit of the label minus that of the other class")
    left.set_title("two classes")
    left.legend(fontsize=9)
    logits = np.log(np.array([[1.0, 2.0, 5.0]]))
    p, places = softmax(logits)[0], np.arange(3)
    right.bar(places - 0.2, p, 0.36, color=BLUE, label="p")
    right.bar(places + 0.2, p - (places == 1), 0.36, color=ORANGE, label="p - onehot")
    right.axhline(0, color=INK, linewidth=1)
    right.set_xticks(places, ["class 0", "class 1, the label", "class 2"])
    right.set_title("logits ln 1, ln 2, ln 5")
    right.legend(fontsize=9, loc="lower right")
    return figure
