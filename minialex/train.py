"""The training loop: step, log, validate, checkpoint, resume."""

import json
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from minialex import alexnet, checkpoint, figures, health, memory, network, optim
from minialex.backend import available_memory, to_numpy
from minialex.checkpoint import Snapshot
from minialex.data.batches import BYTES_AHEAD, Batches, test_batches, train_batches
from minialex.data.packed import IMAGE, Packed, Subset
from minialex.data.preprocess import Preprocessing
from minialex.errors import RunError, Stopped, UserError, one_line
from minialex.evaluate import correct, evaluate
from minialex.files import write_atomically
from minialex.ops import Ops, reference
from minialex.parallel.team import ALONE, Share, Team
from minialex.precision import PRECISIONS, LossScale, Precision, cast, mixed, total, unscale
from minialex.recipes import Recipe
from minialex.rng import DROPOUT, INIT, generator

KEPT = 2  # checkpoints beside the best one: half a GB each for the full network
SAVE_EVERY = 600  # seconds within an epoch
WAIT = 0.05  # share of the time that a trainer may wait for its batches without a word


@dataclass(frozen=True)
class Config:
    """What decides the numbers of a run: two runs of one config are the same bit for bit on one machine."""

    data: str
    variant: str
    width: float
    classes: tuple[str, ...]
    recipe: Recipe
    seed: int = 0
    dtype: str = "float32"
    images: str = ""  # the fingerprint of the prepared data: `data` is its name, for people alone
    words: tuple[str, ...] = ()  # what the classes are called, for people too
    kernels: bool = False  # our own CUDA kernels in place of the pairs that have one
    tf32: bool = False  # matrix products round their float32 factors, which is fast on a GPU

    def network(self) -> alexnet.Network:
        return alexnet.build(self.variant, classes=len(self.classes), width=self.width)

    def precision(self) -> Precision:
        return PRECISIONS[self.dtype]

    def preprocessing(self, mean: np.ndarray) -> Preprocessing:
        """How images are fed to the network, relative to this mean image."""
        return Preprocessing(mean, central=self.recipe.central_mean)

    def plain(self) -> dict:
        """The config as JSON has it: lists for tuples, the kind of the schedule with its numbers, the preprocessing."""
        plain = asdict(self)
        plain["recipe"]["schedule"]["kind"] = type(self.recipe.schedule).__name__
        plain["preprocessing"] = self.preprocessing(np.zeros(IMAGE, np.float32)).options()  # all but the mean
        return json.loads(json.dumps(plain))


def step(
    layers,
    params,
    velocity,
    state,
    x,
    t,
    *,
    rates,
    rng,
    ops: Ops = reference,
    update: Callable = optim.update,
    scale: float = 1.0,
    check=lambda loss, logits, grads: True,
    share: Share | None = None,
) -> tuple:
    """One step of section 5 on a batch x (N,H,W,3), t (N,): params and velocity are updated in place.

    It computes in the type of x: in float16, beside params of float32, with `scale` times the loss.
    check(loss, logits, grads), of the gradients times `scale`, tells whether to update anything; it may raise instead.
    share: where x and t are one rank's of several; loss and logits are then its own, and gradients those of all.
    Returns the loss (an array without axes: on a GPU nothing has waited yet), the logits (N,M) and the new state.
    """
    share = share or ALONE.share(len(x))
    used, ops = cast(params, x.dtype), share.ops(ops)
    logits, caches = network.forward(layers, used, x, state=state, train=True, rng=rng, ops=ops)
    loss, cache = ops.softmax_cross_entropy.forward(logits, t)
    dlogits = ops.softmax_cross_entropy.backward(scale * share.weight, cache).astype(logits.dtype, copy=False)
    grads = share.summed(network.backward(layers, used, caches, dlogits, ops=ops, ready=share.ready))
    if not check(loss, logits, grads):
        return loss, logits, state
    state = share.statistics(network.update_state(layers, state, caches))
    del caches, used  # the update needs memory, too
    update(params, velocity, unscale(grads, scale, params), rates)
    return loss, logits, state


def start(config: Config, packed: Packed, *, xp) -> Snapshot:
    """The snapshot before the first step: fresh parameters, velocities of zero."""
    net, rng, precision = config.network(), generator(config.seed, INIT), config.precision()
    params, state = network.init(net.layers, net.input_shape, rng, xp=xp, dtype=precision.params)
    loss_scale = asdict(LossScale()) if precision.mixed else {}
    return Snapshot(params, optim.init_velocity(params), state, packed.mean, config.plain(), loss_scale=loss_scale)


def resume(config: Config, folder: Path, *, xp, last_good: bool = False) -> Snapshot:
    """The newest snapshot of a run's folder; with `last_good` the newest that is whole.

    Raises UserError where there is none, it is damaged, its config is another, or it is past the config's last epoch.
    """
    snapshot = _last_good(folder, xp) if last_good else _newest(folder, xp)
    mine, its = _decisive(config.plain()), _decisive(snapshot.config)
    different = [key for key in mine if mine[key] != its.get(key)]
    if different:
        raise UserError(
            f"{folder} was started with another {', '.join(different)}: give what its config.json tells, or a new --out"
        )
    if config.recipe.epochs < snapshot.epoch:
        raise UserError(f"{folder} has {snapshot.epoch} epochs already: --epochs {config.recipe.epochs} is too few")
    snapshot.config = config.plain()
    return snapshot


def _newest(folder: Path, xp) -> Snapshot:
    path = checkpoint.latest(folder / "checkpoints")
    if path is None:
        raise UserError(f"{folder} has no checkpoint to resume from: start without --resume")
    try:
        return checkpoint.load(path, xp=xp)
    except UserError as error:
        raise UserError(f"{error}; --resume last-good goes on from the newest one that is whole") from error


def _last_good(folder: Path, xp) -> Snapshot:
    snapshot, damaged = checkpoint.last_good(folder / "checkpoints", xp=xp)
    for path in damaged:
        _say(f"a damaged checkpoint was set aside: {path}")
    return snapshot


def _decisive(plain: dict) -> dict:
    """What a resumed run must have in common with what it goes on from; a finished run may be prolonged."""
    flat = plain | plain["recipe"]
    return {key: value for key, value in flat.items() if key not in ("recipe", "epochs", "data", "words")}


def rates_at(snapshot: Snapshot, recipe: Recipe, steps: int) -> optim.Rates:
    """The rates of a snapshot's next step, with so many steps in an epoch: the recipe's, scaled by its schedule."""
    errors = [record["val_error"] for record in snapshot.history]
    return recipe.rates(snapshot.epoch, optim.warm_up(snapshot.epoch * steps + snapshot.step, recipe.warm_up), errors)


@dataclass
class Trainer:
    """A run under way, kept in `folder`. `layers` and `ops` are the config's network as this machine runs it.

    `update` and `preprocess` do what optim.update and Preprocessing.apply do, in this machine's way.
    """

    config: Config
    packed: Packed
    snapshot: Snapshot
    layers: tuple
    folder: Path
    xp: object
    ops: Ops = reference
    update: Callable = optim.update
    preprocess: Callable = Preprocessing.apply
    team: Team = ALONE

    def run(self) -> dict:
        """Train to the last epoch and return its record.

        Raises UserError where a step does not fit the device's memory, RunError at a loss that is no number or where
        memory runs out all the same, and Stopped at Ctrl-C or SIGTERM, when the step is done and saved.
        """
        self._check_memory()
        self._open_folder()
        try:
            return self._train()
        except MemoryError as error:
            what = one_line(error)
        # Whatever the step had is given back by now, and nothing of it was done. Other ranks are in the midst of it.
        if self.snapshot.step and self.team.size == 1:
            self._save()
        raise self._out_of_memory(what)

    def _check_memory(self) -> None:
        """With the reference pairs, on which a look at a run's health runs whatever its steps run on."""
        net, now, available = self.config.network(), self.snapshot, available_memory(self.xp)
        if available is not None:
            how = {"dtype": self.config.precision().activations, "beside": BYTES_AHEAD}
            need = memory.estimate(self.team.layers(net.layers), now.params, now.state, net.input_shape, **how)
            batch = self.config.recipe.batch
            memory.check_fits(need, batch, available, rows=len(range(batch)[self.team.share(batch).rows]))

    def _out_of_memory(self, what: str) -> RunError:
        batch, saved = self.config.recipe.batch, checkpoint.latest(self.folder / "checkpoints")
        less = f"--batch {batch // 2}, which needs about half" if batch > 1 else "a smaller --width"
        again = f"; or, if another program had that memory, --resume goes on from {saved}" if saved else ""
        return RunError(f"out of memory at a batch of {batch} ({what}): start anew with {less}{again}")

    def _train(self) -> dict:
        now, recipe, images = self.snapshot, self.config.recipe, len(self.packed.train)
        done = now.epoch * images + now.step * recipe.batch
        quiet = self.team.rank > 0 or None  # None: but on a terminal
        with _signals() as caught, tqdm(total=recipe.epochs * images, initial=done, unit="img", disable=quiet) as bar:
            while now.epoch < recipe.epochs:
                bar.set_description(f"epoch {now.epoch + 1}/{recipe.epochs}")
                self._train_epoch(bar, caught)
                self._finish_epoch()
                self._agree(caught)
                if caught:
                    raise self._stopped(caught[0])
        return now.history[-1]

    def _open_folder(self) -> None:
        whole = self.team.whole(self.snapshot)
        if not whole:
            return
        try:
            (self.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make {self.folder / 'checkpoints'}: {error.strerror}") from error
        _write_text(self.folder / "config.json", json.dumps(self.snapshot.config, indent=2))
        checkpoint.keep_newest(self.folder / "checkpoints", KEPT)  # a run killed just after a checkpoint catches up
        if whole.history:
            self._show(whole)

    def _train_epoch(self, bar, caught: list) -> None:
        """The steps that are left of the snapshot's epoch."""
        saved = began = time.monotonic()
        batches, waited = self._training_batches(), 0.0
        for x, t in batches:
            share = self._share()
            if self._steps_done() in health.LOOKS:
                self._look(x, t, share)
            loss, right = self._step(x, t)
            self._add(loss=loss * share.images, top1=right, images=share.images)
            self._add(seconds=time.monotonic() - began, waited=batches.waited - waited)  # the wait is a part of it
            waited = batches.waited
            began = time.monotonic()
            bar.set_postfix(loss=f"{loss:.2f}", refresh=False)
            bar.update(share.images)
            due = self._agree(caught, began - saved > SAVE_EVERY)
            if caught:
                self._save()
                raise self._stopped(caught[0])
            if due:
                self._save()
                saved = began

    def _share(self) -> Share:
        """Of the next step's batch."""
        batch, images = self.config.recipe.batch, len(self.packed.train)
        return self.team.share(min(batch, images - self.snapshot.step * batch))

    def _agree(self, caught: list, due: bool = False) -> bool:
        """Whether a checkpoint is due on any rank; a signal that one of them has caught is every rank's."""
        number, due = self.team.agree(caught[0] if caught else 0, due)
        caught[:] = [int(number)] if number else []
        return bool(due)

    def _step(self, x, t) -> tuple[float, int]:
        """The next step, on a share of its batch; returns the batch's loss and how many images of it were right."""
        now, share, seen = self.snapshot, self._share(), []
        scale = LossScale(**now.loss_scale) if now.loss_scale else None

        def check(loss, logits, grads):  # before the update, which would spread a NaN; a GPU is waited for once, here
            values = (loss, correct(logits, t, 1), *((total(grads),) if scale else ()))
            seen.extend(to_numpy(share.total(*values)).tolist())
            when = f"step {now.step + 1} of epoch {now.epoch + 1}"
            self._check_finite(seen[0], lambda: share.whole(x), when)
            return all(map(math.isfinite, seen))

        rng = generator(self.config.seed, DROPOUT, now.epoch, now.step)
        how = {"rates": self._rates(), "rng": rng, "ops": self.ops, "update": self.update, "check": check}
        how["share"] = share
        how |= {"ops": mixed(self.ops, self.xp), "scale": scale.factor} if scale else {}
        _, _, now.state = step(self.layers, now.params, now.velocity, now.state, x, t, **how)
        if scale:
            self._adapt(scale, fitted=math.isfinite(seen[2]))
        now.step += 1
        return seen[0], int(seen[1])

    def _adapt(self, scale: LossScale, *, fitted: bool) -> None:
        """The loss scale of the next step, after one that was skipped unless its gradients `fitted` into float16."""
        after = scale.after(fitted)
        if after.factor < 1:
            raise self._failed(f"the gradients overflow float16 even at a loss scale of {scale.factor:g}")
        self.snapshot.loss_scale = asdict(after)
        self._add(skipped=int(not fitted))

    def _rates(self) -> optim.Rates:
        return rates_at(self.snapshot, self.config.recipe, self._steps())

    def _steps(self) -> int:
        """Steps in an epoch."""
        return math.ceil(len(self.packed.train) / self.config.recipe.batch)

    def _steps_done(self) -> int:
        return self.snapshot.epoch * self._steps() + self.snapshot.step

    def _look(self, x, t, share: Share) -> None:
        """Say and keep what the next step, on this batch, looks like; nothing of the run is changed."""
        whole, x, t = self.team.whole(self.snapshot), share.whole(x), share.whole(t)
        if whole:
            report = self._report(whole, x, t)
            _say(report)
            _write_text(self.folder / f"health-{self._steps_done()}.txt", report + "\n")

    def _report(self, now: Snapshot, x, t) -> str:
        layers = self.config.network().layers
        x = x.astype(self.config.precision().params, copy=False)
        measured = health.measure(layers, now.params, now.velocity, now.state, x, t, self._rates())
        return health.report(measured, self._steps_done())

    def rehearse(self, steps: int) -> Iterator[str]:
        """Train for so many steps and keep nothing; yield the report before the first and after the last of them."""
        now = self.snapshot
        while True:
            for x, t in self._training_batches():
                done = self._steps_done()
                if done in (0, steps):
                    yield self._report(now, x, t)
                if done == steps:
                    return
                self._step(x, t)
            now.epoch, now.step = now.epoch + 1, 0

    def _training_batches(self) -> Batches:
        """What is left of the snapshot's epoch."""
        now, recipe, packed = self.snapshot, self.config.recipe, self.packed
        augmentation = recipe.augmentation_in(now.epoch)
        return self._batches(
            train_batches,
            packed.train,
            seed=self.config.seed,
            epoch=now.epoch,
            start_step=now.step,
            augmentation=augmentation,
            covariance=None if augmentation.color == "none" else packed.covariance,
            reshuffle=recipe.reshuffle,
            rows=lambda images: self.team.share(images).rows,
            dtype=self.config.precision().activations,
        )

    def _batches(self, batches, split, **options) -> Batches:
        config, size = self.config, self.config.network().input_shape[0]
        how = {"size": size, "batch": config.recipe.batch, "xp": self.xp, "apply": self.preprocess}
        how |= {"dtype": config.precision().params} | options
        return batches(split, config.preprocessing(self.packed.mean), **how)

    def _add(self, **values) -> None:
        sums = self.snapshot.sums
        for name, value in values.items():
            sums[name] = sums.get(name, 0) + value

    def _finish_epoch(self) -> None:
        """Validate, add the epoch's record to the history, warn, save, draw."""
        now, began = self.snapshot, time.monotonic()
        batches = self._batches(test_batches, self.team.split(self.packed.val))
        score = evaluate(self.layers, now.params, now.state, batches, ops=self.ops, total=self.team.total)
        self._check_finite(score.loss, self._some_images, f"the validation after epoch {now.epoch + 1}")
        record = self._record(score, time.monotonic() - began)
        now.history, now.epoch, now.step, now.sums = [*now.history, record], now.epoch + 1, 0, {}
        whole = self.team.whole(now)
        if whole:
            _say(_line(record))
            self._warn(whole, record)
            self._write(whole)
            self._show(whole)

    def _warn(self, now: Snapshot, record: dict) -> None:
        warnings = health.warnings(
            self.config.network().layers,
            now.params,
            now.state,
            self._some_images(),
            loss=min(record["loss"], record["val_loss"]),  # dropout raises the first
            classes=len(self.config.classes),
            steps=self._steps_done(),
        )
        for warning in warnings:
            _say(f"  ! {warning}")

    def _record(self, score, seconds: float) -> dict:
        now = self.snapshot
        images, trained = now.sums["images"], now.sums["seconds"]
        scaling = {"skipped": now.sums["skipped"], "loss_scale": now.loss_scale["factor"]} if now.loss_scale else {}
        return {
            "epoch": now.epoch + 1,
            "rate": self._rates().weights,
            "loss": now.sums["loss"] / images,
            "top1": now.sums["top1"] / images,
            "val_loss": score.loss,
            "val_top1": score.top1,
            "val_top5": score.top5,
            "val_error": 1 - score.top1,
            "images_per_second": images / trained,
            "wait": now.sums["waited"] / trained,  # the share of the time in which there was no batch to train on
            "seconds": trained + seconds,
            **scaling,  # steps of which nothing was kept, for their gradients overflowed; the factor after the epoch
        }

    def _some_images(self):
        """A batch from all over validation, which is sorted by class: a unit may well rest on all images of one."""
        val = self.packed.val
        chosen = np.linspace(0, len(val) - 1, min(self.config.recipe.batch, len(val))).astype(np.int64)
        x, _ = next(self._batches(test_batches, Subset(val, chosen)))
        return x

    def _check_finite(self, loss: float, images: Callable, when: str) -> None:
        if not math.isfinite(loss):  # on every rank then
            whole, x = self.team.whole(self.snapshot), images()
            where = self.team.told(self._first_not_finite(whole, x) if whole else None)
            raise self._failed(f"the loss is {loss} in {when}, first seen in {where}")

    def _first_not_finite(self, now: Snapshot, x) -> str:
        params, layers, ops = cast(now.params, x.dtype), self.config.network().layers, mixed(reference, self.xp)
        return health.first_not_finite(layers, params, now.state, x, ops=ops) or "the loss alone"

    def _failed(self, why: str) -> RunError:
        good = checkpoint.latest(self.folder / "checkpoints")
        kept = f"the last good checkpoint is {good}" if good else "there is no checkpoint yet"
        less = "a lower --lr" + (", or --dtype float32" if self.snapshot.loss_scale else "")
        return RunError(f"{why}; {kept}. Start anew with {less}")

    def _stopped(self, number: int) -> Stopped:
        return Stopped(number, f"stopped and saved; the same command with --resume --out {self.folder} goes on")

    def _save(self) -> None:
        whole = self.team.whole(self.snapshot)
        if whole:
            self._write(whole)

    def _write(self, now: Snapshot) -> None:
        """Write the best checkpoint, where this epoch has been the best, and the newest.

        In this order, for a run that is killed between them does the epoch again. Never one that holds a NaN.
        """
        folder = self.folder / "checkpoints"
        for name, value in (now.params | now.state).items():
            if not bool(self.xp.isfinite(value).all()):
                raise self._failed(f"{name} is no longer finite")
        errors = [record["val_error"] for record in now.history]
        if now.step == 0 and errors[-1] == min(errors):
            checkpoint.save(folder / "best.safetensors", now)
        checkpoint.save(folder / checkpoint.name_of(now), now)
        checkpoint.keep_newest(folder, KEPT)

    def _show(self, now: Snapshot) -> None:
        """What a person looks at after an epoch: log.jsonl, curves.png, conv1.png."""
        _write_text(self.folder / "log.jsonl", "".join(json.dumps(record) + "\n" for record in now.history))
        figures.curves(now.history, self.folder / "curves.png")
        figures.kernels(to_numpy(now.params["conv1.W"]), self.folder / "conv1.png")


def _line(record: dict) -> str:
    line = (
        "epoch {epoch:3d}  rate {rate:.1e}  loss {loss:.3f}  top-1 {top1:5.1%}  |  val loss {val_loss:.3f}  "
        "top-1 {val_top1:5.1%}  top-5 {val_top5:5.1%}  |  {images_per_second:.0f} img/s  {seconds:.0f} s"
    ).format(**record)
    line += f"  waited {record['wait']:.0%}" if record["wait"] >= WAIT else ""
    return line + ("  skipped {skipped}, loss scale {loss_scale:g}".format(**record) if record.get("skipped") else "")


def _say(line: str) -> None:
    """Print a line above the progress bar, at once: a log in a file is read while the run goes on."""
    tqdm.write(line)
    sys.stdout.flush()


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


@contextmanager
def _signals():
    """Collect SIGINT and SIGTERM in a list, so that a step can end first; a second Ctrl-C ends at once."""
    caught: list[int] = []

    def catch(number, frame):
        if caught and number == signal.SIGINT:
            raise KeyboardInterrupt
        caught.append(number)

    previous = {number: signal.signal(number, catch) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
