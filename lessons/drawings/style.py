"""One look for all pictures: dark ink on a white card, which reads on a page's light theme and on its dark one."""

from matplotlib.figure import Figure

INK, PALE = "#24292f", "#d0d7de"  # text and outlines; what stays in the background
BLUE, ORANGE, GREEN, RED, PURPLE = "#0969da", "#e36209", "#1a7f37", "#cf222e", "#8250df"
COLORS = (BLUE, ORANGE, GREEN, RED, PURPLE)

STYLE = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 10,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "svg.hashsalt": "minialex",  # the same names inside the file in every run
}


def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **kwargs):
    """An empty figure of so many inches, 9 being a page's width, and its axes (an array of them for several)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **kwargs)


def blank(axes, *, title: str = ""):
    """Axes for a diagram: nothing drawn around them, one unit as long in both directions, y pointing down."""
    axes.axis("off")
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_title(title)
