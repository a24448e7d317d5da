"""examples/IMAGENET.md: its commands are ones that there are, and what can be computed in it was."""

import json
import math
import re
import runpy
import shlex
import tomllib
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from minialex import __main__ as minialex_main
from minialex import alexnet, checkpoint, health, kernels, memory, network, train
from minialex.checkpoint import Snapshot
from minialex.data import prepare
from minialex.data.batches import BYTES_AHEAD
from minialex.data.packed import IMAGE
from minialex.data.sources import md5
from minialex.ops import reference
from minialex.optim import Plateau
from minialex.precision import PRECISIONS
from minialex.recipes import RECIPES, recipe_for
from minialex.rng import INIT, generator
from tests.strict_cupy import StandIn

ROOT = Path(__file__).resolve().parents[2]
PLAN = ROOT / "examples" / "IMAGENET.md"
TEXT = PLAN.read_text(encoding="utf-8")
PROSE = " ".join(TEXT.split())
TRAIN, VAL, BYTES = 1_281_167, 50_000, math.prod(IMAGE)
COMMANDS = [line.split("  #")[0].strip() for line in re.findall(r"^    ((?:python|pip) .*)$", TEXT, re.MULTILINE)]
RUNS = [shlex.split(command) for command in COMMANDS if "train_imagenet" in command]
GIB, GB, DAY = 2**30, 1e9, 86_400


def row(first: str) -> list[str]:
    """The cells of the one row of a table that begins so."""
    (found,) = [line for line in TEXT.splitlines() if line.startswith(f"| {first}")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under these words of its head, row by row."""
    table = re.search(rf"^\| {re.escape(heading)}.*\n\|[-:| ]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)[1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def number(cell: str) -> float:
    return float(re.match(r"[\d,.]+", cell)[0].replace(",", ""))


@cache
def summary() -> dict[str, list[float]]:
    """Of each layer of `paper`, and of all: parameters and multiply-adds."""
    net = alexnet.build("paper")
    lines = network.summary(net.layers, net.input_shape).splitlines()[1:]
    return {line.split()[0]: [number(cell) for cell in line.split()[-2:]] for line in lines}


def program(name: str) -> dict:
    return runpy.run_path(str(ROOT / "examples" / name))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one_that_there_is(command):
    what, *words = shlex.split(command)
    if what == "pip":
        extra = re.search(r"\[(\w+)\]", words[-1])[1]
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert extra in project["optional-dependencies"]
    elif words[0] == "-m":
        assert words[1] == "minialex"
        assert minialex_main.parser().parse_args(words[2:]).run
    elif words[0].startswith("examples/"):
        program(Path(words[0]).name)["arguments"](words[1:])
    else:
        assert words == ["benchmarks/gpu.py"] and (ROOT / words[0]).exists()


def test_every_flag_in_the_text_is_one_that_there_is(capsys):
    for name in ("prepare_imagenet.py", "train_imagenet.py", "evaluate.py"):
        with pytest.raises(SystemExit):
            program(name)["arguments"](["--help"])
    with pytest.raises(SystemExit):
        minialex_main.parser().parse_args(["health", "--help"])
    known = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
    assert {flag for flag in re.findall(r"--[a-z][\w-]*", TEXT) if flag not in known} == set()


def test_every_link_leads_somewhere_and_two_lead_here():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (PLAN.parent / target).exists(), target
    for page, link in (("README.md", "(examples/IMAGENET.md)"), ("lessons/11_results.md", "(../examples/IMAGENET.md)")):
        assert link in (ROOT / page).read_text(encoding="utf-8"), page


def test_the_rehearsal_and_the_run_are_of_one_config():
    arguments = program("train_imagenet.py")["arguments"]
    first, rest = [vars(arguments(words[2:])) for words in RUNS[:2]]
    assert {key for key in first if first[key] != rest[key]} == {"epochs", "resume"}
    assert first["epochs"] == 1 and first["variant"] == "code2012" and recipe_for("code2012", 1000) == "code2012"


def test_disk():
    assert all(row(f"`{name}`")[2] == "published" for name in md5.SUMS)
    archives = sum(number(row(f"`{name}`")[1]) for name in list(md5.SUMS)[:2]) * GIB
    prepared, mean = (TRAIN + VAL) * BYTES, BYTES * 4
    params = summary()["total"][-2]
    one = 2 * 4 * params + mean  # parameters and velocities, which is most of it
    kept = train.KEPT + 2  # the best, and one that is being written
    assert f"{one / 1e6:.1f} MB each" in row("checkpoints")[0] and "four" in row("checkpoints")[0] and kept == 4
    assert row("prepared")[:2] == [f"prepared: {TRAIN + VAL:,} images of {BYTES:,} bytes", f"{prepared / GB:.1f} GB"]
    assert row("checkpoints")[1] == f"{kept * one / GB:.1f} GB"
    assert row("all")[1] == f"{(archives + prepared + kept * one) / GB:.0f} GB"
    assert f"{(prepared + kept * one) / GB:.0f} GB stay" in PROSE
    assert f"{TRAIN * BYTES / GB:.0f} GB of training images" in PROSE
    read, written = archives / (TRAIN + VAL), BYTES
    assert f"reads {read * 950 / 1e6:.0f} and writes {written * 950 / 1e6:.0f} MB/s" in row("the same on C cores")[2]


WAYS = {
    "float32, with `--tf32` or without": ("float32", reference),
    "the same with `--kernels`": ("float32", kernels.fused),
    "`--dtype mixed` ": ("mixed", reference),
    "`--dtype mixed --kernels`": ("mixed", kernels.fused),
    "`--dtype float64`": ("float64", reference),
}


@pytest.mark.parametrize("column, variant", [(1, "code2012"), (2, "paper")])
def test_memory_of_a_gpu(column, variant):
    net, xp = alexnet.build(variant), StandIn()
    xp.RawModule = lambda **_: SimpleNamespace(get_function=lambda name: lambda *launched: None)
    drawn, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=xp)
    needs = []
    for way, (dtype, ops) in WAYS.items():
        precision = PRECISIONS[dtype]
        params = {name: value.astype(precision.params) for name, value in drawn.items()}
        how = {"dtype": precision.activations, "ops": ops, "beside": BYTES_AHEAD}
        needs.append(memory.estimate(net.layers, params, state, net.input_shape, **how).of(128))
        assert row(way)[column] == f"{needs[-1] / GIB:.2f} GiB", way
    assert max(needs[:4]) < memory.USABLE * 4 * GIB < needs[4], "4 GiB free are enough for all but the last"
    assert needs[2] > needs[0], "without --kernels mixed precision saves no memory"
    assert f"{memory.USABLE:.0%} of what is free" in PROSE


def test_days_hours_and_what_is_read():
    per_rate = 90 * TRAIN / DAY
    assert f"for 90 epochs is {per_rate:,.0f} / images a second" in PROSE and f"epochs x {TRAIN:,}" in PROSE
    for rate, time, disk, _ in rows("images a second"):
        days = per_rate / number(rate)
        assert time == (f"{days:.1f} days" if days > 2 else f"{24 * days:.1f} hours"), rate
        assert disk == f"{number(rate) * BYTES / 1e6:,.0f} MB/s", rate
    assert number(row("2,543")[0]) == 500e6 // BYTES
    for rate, ms in (("17,000", 7.7), ("31,000", 4.1)):
        assert row(rate)[0] == f"{round(128 / ms):,},000" and f"{ms} ms" in PROSE
    assert f"| hour 1 | {3600 * 1000 / TRAIN:.1f} epochs" in TEXT


def test_rates_are_those_that_were_measured():
    benchmarks = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert "  79.8  " in benchmarks and row("80 ")[3].startswith("measured")
    assert " 241.8 " in benchmarks and row("ten crops")[1:] == [
        f"{10 * VAL / 241.8 / 60:.0f} min",
        f"measured: {241.8:.0f} crops a second",
    ]
    assert "Two cores prepared 950 photographs a second" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert row("decode") == [
        f"decode {TRAIN + VAL:,} photographs, two quiet cores",
        f"{(TRAIN + VAL) / 950 / 60:.1f} min",
        f"measured: {2 * prepare.PACE} a second",
    ]
    assert f"1,000 classes, {TRAIN:,} train and {VAL:,} val images" in PROSE
    assert row("the same on C")[1] == f"{(TRAIN + VAL) / prepare.PACE / 60:.1f} min / C"
    run = json.loads((ROOT / "lessons" / "results" / "imagenette224.json").read_text(encoding="utf-8"))
    seconds = [1 / record["images_per_second"] for record in run["history"]]
    assert row("195")[0] == f"{len(seconds) / sum(seconds):.0f}" and run["config"]["width"] == 0.375
    before, after = (run["history"][epoch]["loss"] for epoch in (33, 34))
    assert f"from {before:.3f} to {after:.3f} in one" in PROSE


def test_arithmetic_of_an_image():
    macs = {name: numbers[-1] for name, numbers in summary().items()}
    step = 2 * (3 * macs["total"] - macs["conv1"])
    forward = 2 * macs["total"] / step
    assert f"F / {step / 1e9:.2f}e9" in PROSE and f"{step / 1e9:.2f} GFLOP an image" in PROSE
    assert f"a forward pass is {forward:.2f} of a step" in row("the same at R")[2]
    assert row("the same at R")[1] == f"{round(10 * VAL * forward, -3):,.0f} s / R"
    assert f"Validation adds {VAL * forward / TRAIN:.1%}" in PROSE


def test_the_start_and_what_stuck_looks_like():
    assert f"ln 1000 = {math.log(1000):.3f}, a top-1 of {1 / 1000:.1%} and a top-5 of {5 / 1000:.1%}" in PROSE
    assert f"An epoch is {math.ceil(TRAIN / 128):,} steps of 128" in PROSE
    assert f"validation loss below {0.98 * math.log(1000):.2f}" in row("epoch 1 ")[1]
    told = {}
    for loss in (6.76, 6.78, math.log(1000)):
        told[loss] = health.warnings((), {}, {}, None, loss=loss, classes=1000, steps=math.ceil(TRAIN / 128))
    assert told[6.76] == [] and told[6.78] and told[math.log(1000)]
    (shown,) = re.findall(r"^    ! (.*)$", TEXT, re.MULTILINE)
    assert told[math.log(1000)][0].startswith(shown)
    assert train.SAVE_EVERY == 600 and f"{train.WAIT:.0%} on" in row("epoch 1 ")[1]
    assert "health-100.txt" in PROSE and health.LOOKS == (0, 100)


def test_the_schedule_is_the_recipes():
    recipe = RECIPES["code2012"]
    assert row("25, 51, 79")[0] == ", ".join(map(str, recipe.schedule.epochs))
    rates = [f"{recipe.rates(epoch, 1.0, ()).weights:.1e}" for epoch in (0, 25, 51, 79)]
    assert f"from {rates[0]} to {', '.join(rates[1:])}" in row("25, 51, 79")[1]
    slowed, frozen = recipe.own_rates
    assert (slowed.epoch, frozen.epoch, frozen.rate) == (67, 72, None) == (recipe.color_epochs, 72, None)
    assert slowed.rate == 1e-5 and "rate 1e-5" in row("67, 72")[1] and row("91")
    assert recipe.epochs == 91 and "its recipe of 91 epochs" in PROSE and "The paper's text, 90 epochs" in PROSE
    assert (recipe.batch, RECIPES["paper"].batch, RECIPES["paper"].epochs) == (128, 128, 90)
    assert RECIPES["paper"].schedule == Plateau(patience=5, drops=3)
    last = checkpoint.name_of(Snapshot({}, {}, {}, None, {}, epoch=recipe.epochs))
    evaluated = [shlex.split(command) for command in COMMANDS if "evaluate.py" in command]
    paths = [Path(words[words.index("--run") + 1]) for words in evaluated]
    run = Path(RUNS[1][RUNS[1].index("--out") + 1])
    assert paths == [run / "checkpoints" / last, run / "checkpoints" / last, run]


def test_the_comparison_is_with_what_was_published():
    lesson = (ROOT / "lessons" / "11_results.md").read_text(encoding="utf-8")
    top1, top5 = row("run 145")[2:4]
    assert f"| 145 | nothing: the paper's network | 2012 | {top1} | {top5} |" in lesson
    name, *paper = program("evaluate.py")["PAPER"][False, 10][1]
    assert "2012" in name and [float(cell) for cell in row("the paper's text")[2:4]] == paper
    gained = 39.02 - 37.47, 18.30 - 17.00
    assert "39.02 and 18.30" in lesson and "{:.2f} and {:.2f}".format(*gained) in row("the same | one")[4]
    assert row("the same | one")[2:4] == [f"{float(top1) + gained[0]:.1f}", f"{float(top5) + gained[1]:.1f}"]
    assert row("Caffe's network (57.1 and 80.2 right)")[2:4] == [f"{100 - 57.1:.1f}", f"{100 - 80.2:.1f}"]
    for other, what in (("148", "without normalisation the authors lost"), ("147", "Non-overlapping pooling,")):
        errors = re.search(rf"^\| {other} \|.*\| ([\d.]+) \| ([\d.]+) \|$", lesson, re.MULTILINE).groups()
        lost = [float(error) - float(ours) for error, ours in zip(errors, (top1, top5), strict=True)]
        assert f"{what} {lost[0]:.2f} and {lost[1]:.2f}" in PROSE
    _, *others = program("evaluate.py")["PAPER"][False, 10][0]
    assert "ILSVRC-2010's {} and {}, which".format(*others) in PROSE
    share = float(top1) / 100
    assert f"chance in 50,000 images alone is {100 * math.sqrt(share * (1 - share) / VAL):.2f}" in PROSE
