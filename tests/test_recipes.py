"""The recipes: section 5 as printed, the released code, the reference re-implementation, and two for small data."""

from dataclasses import FrozenInstanceError, replace

import pytest

from minialex import alexnet
from minialex.data.augment import Augmentation
from minialex.optim import Plateau, Rates, Steps
from minialex.recipes import RECIPES, OwnRate, Recipe, recipe_for

PLAIN = Recipe(batch=4, epochs=9, rate=0.1, bias_rate=0.3, schedule=Steps((2, 5)))


def test_sections_4_and_5():
    recipe = RECIPES["paper"]
    assert (recipe.batch, recipe.epochs, recipe.rate, recipe.bias_rate) == (128, 90, 0.01, 0.01)
    assert (recipe.momentum, recipe.decay, recipe.bias_decay, recipe.warm_up) == (0.9, 0.0005, 0.0005, 0)
    assert recipe.schedule == Plateau(patience=5, factor=10, drops=3)
    assert recipe.augmentation == Augmentation(1, "stdev", 0.1, 1.0) and recipe.color_epochs is None
    assert recipe.reshuffle and not recipe.central_mean and not recipe.own_rates


def test_run_145():
    recipe = RECIPES["code2012"]
    assert (recipe.batch, recipe.epochs, recipe.rate, recipe.decay, recipe.momentum) == (128, 91, 0.01, 0.0005, 0.9)
    assert recipe.schedule == Steps((25, 51, 79))
    assert recipe.augmentation == Augmentation(32, "stdev", 0.1, 1.1)
    assert recipe.central_mean and not recipe.reshuffle

    rates = {epoch: recipe.rates(epoch, 1.0, []) for epoch in (0, 24, 25, 66, 67, 71, 72, 79, 90)}
    weights = [0.01, 0.01, 1e-3, 1e-4, 1e-4, 1e-4, 1e-4, 1e-5, 1e-5]
    assert [value.weights for value in rates.values()] == pytest.approx(weights, rel=1e-12)
    assert {(value.biases, value.bias_decay) for value in rates.values()} == {(0.02, 0.0)}, "neither drops nor decay"
    own = [value.layers for value in rates.values()]
    assert own == [{}] * 4 + [{"conv1": 1e-5}] * 2 + [{"conv1": None}] * 3
    colors = [recipe.augmentation_in(epoch).color for epoch in (0, 66, 67, 90)]
    assert colors == ["stdev", "stdev", "none", "none"]
    assert recipe.augmentation_in(67).crops_per_draw == 32, "crops are shared to the end"


def test_the_reference_re_implementation():
    recipe = RECIPES["caffe"]
    assert (recipe.batch, recipe.rate, recipe.bias_rate, recipe.bias_decay) == (256, 0.01, 0.02, 0.0)
    steps_an_epoch = 1_281_167 / recipe.batch
    assert recipe.schedule == Steps(tuple(round(steps / steps_an_epoch) for steps in (1e5, 2e5, 3e5, 4e5)))
    assert recipe.epochs == round(450_000 / steps_an_epoch)
    assert recipe.rates(20, 1.0, []).biases == pytest.approx(0.002), "its biases drop with the weights"
    assert recipe.augmentation == Augmentation() and not recipe.reshuffle and not recipe.central_mean


def test_small_data():
    toy, small = RECIPES["toy"], RECIPES["small"]
    assert [(recipe.batch, recipe.epochs, recipe.rate) for recipe in (toy, small)] == [(16, 12, 0.002), (32, 45, 0.001)]
    assert [recipe.schedule for recipe in (toy, small)] == [Steps((10,)), Steps((34, 41))]
    for recipe in (toy, small):
        plain = Recipe(recipe.batch, recipe.epochs, recipe.rate, recipe.rate, recipe.schedule)
        assert recipe == plain, "nothing but the batch, the epochs and the rates is its own"
    assert plain.augmentation == Augmentation() and plain.reshuffle and not plain.central_mean


def test_a_recipe_and_the_update_rule_agree_on_what_is_usual():
    rates = Rates(0.1, 0.1)
    for name in ("momentum", "decay", "bias_decay"):
        assert getattr(PLAIN, name) == getattr(rates, name)


@pytest.mark.parametrize("variant", alexnet.VARIANTS)
def test_the_number_of_classes_and_the_variant_choose(variant):
    many = {"paper": "paper", "code2012": "code2012", "caffe": "caffe", "owt": "caffe", "bn": "paper"}[variant]
    chosen = {classes: recipe_for(variant, classes) for classes in (2, 10, 100, 101, 1000)}
    assert chosen == {2: "small", 10: "small", 100: "small", 101: many, 1000: many}
    assert set(chosen.values()) <= RECIPES.keys()


@pytest.mark.parametrize("name", RECIPES)
def test_rates_of_their_own_are_of_layers_that_every_variant_has(name):
    for variant in alexnet.VARIANTS:
        net = alexnet.build(variant, classes=2, width=1 / 16)
        layers = {getattr(layer, "name", "") for layer in net.layers}
        assert {own.layer for own in RECIPES[name].own_rates} <= layers


def test_the_rates_of_an_epoch():
    assert PLAIN.rates(0, 1.0, []) == Rates(0.1, 0.3)
    assert PLAIN.rates(2, 0.5, []) == Rates(0.1 * (0.1 * 0.5), 0.3 * (0.1 * 0.5))
    constant = replace(PLAIN, bias_drops=False, momentum=0.8, decay=0.1, bias_decay=0.2)
    assert constant.rates(5, 0.5, []) == Rates(0.1 * (10.0**-2 * 0.5), 0.15, 0.8, 0.1, 0.2), "but it is warmed up"
    plateau = replace(PLAIN, schedule=Plateau(patience=1))
    assert plateau.rates(2, 1.0, [0.5, 0.6]).weights == pytest.approx(0.01)


def test_the_last_rate_that_a_layer_was_given_holds():
    recipe = replace(PLAIN, own_rates=(OwnRate("a", 1, 0.5), OwnRate("b", 2, None), OwnRate("a", 3, 0.25)))
    layers = [recipe.rates(epoch, 0.1, []).layers for epoch in range(4)]
    assert layers == [{}, {"a": 0.5}, {"a": 0.5, "b": None}, {"a": 0.25, "b": None}]


def test_colour_noise_may_end():
    noise = Augmentation(color="unit", divisor=2.0)
    for epochs, noisy in ((None, [True, True, True]), (2, [True, True, False]), (0, [False, False, False])):
        recipe = replace(PLAIN, augmentation=noise, color_epochs=epochs)
        assert [recipe.augmentation_in(epoch).color == "unit" for epoch in range(3)] == noisy


def test_another_rate_keeps_the_ratio_of_the_biases():
    other = PLAIN.at_rate(0.01)
    assert other == replace(PLAIN, rate=0.01, bias_rate=other.bias_rate) and other.bias_rate == pytest.approx(0.03)
    assert PLAIN.at_rate(PLAIN.rate) == PLAIN


@pytest.mark.parametrize(
    "name, last", [("paper", 1e-3), ("code2012", 1e-3), ("caffe", 1e-4), ("small", 1e-2), ("toy", 0.1)]
)
def test_every_drop_comes_before_the_end(name, last):
    """Even where the error never falls, which drops a plateau's rate as soon as may be."""
    recipe = RECIPES[name]
    scales = [recipe.schedule.scale(epoch, [0.5] * epoch) for epoch in range(recipe.epochs)]
    assert scales[0] == 1 and scales[-1] == pytest.approx(last) and scales == sorted(scales, reverse=True)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_a_recipe_is_frozen(recipe):
    with pytest.raises(FrozenInstanceError):
        recipe.rate = 1.0
