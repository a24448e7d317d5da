"""The recipes: section 5 as printed, and one for few classes."""

from dataclasses import FrozenInstanceError

import pytest

from minialex.optim import Plateau, Rates, Steps
from minialex.recipes import RECIPES, Recipe, recipe_for


def test_section_5():
    recipe = RECIPES["paper"]
    assert (recipe.batch, recipe.epochs, recipe.rate, recipe.bias_rate) == (128, 90, 0.01, 0.01)
    assert (recipe.momentum, recipe.decay, recipe.bias_decay, recipe.warm_up) == (0.9, 0.0005, 0.0005, 0)
    assert isinstance(recipe.schedule, Plateau) and (recipe.schedule.drops, recipe.schedule.factor) == (3, 10)
    assert recipe.schedule.patience == 5


def test_a_recipe_and_the_update_rule_agree_on_what_is_usual():
    recipe, rates = Recipe(1, 1, 0.1, 0.1, Steps(())), Rates(0.1, 0.1)
    for name in ("momentum", "decay", "bias_decay"):
        assert getattr(recipe, name) == getattr(rates, name)


@pytest.mark.parametrize(
    "classes, name", [(2, "small"), (10, "small"), (100, "small"), (101, "paper"), (1000, "paper")]
)
def test_the_number_of_classes_chooses(classes, name):
    assert recipe_for(classes) == name and name in RECIPES


def test_few_classes_start_lower():
    assert RECIPES["small"].rate <= RECIPES["paper"].rate / 10
    assert RECIPES["small"].rate < RECIPES["toy"].rate < RECIPES["paper"].rate
    for recipe in RECIPES.values():
        assert recipe.bias_rate == recipe.rate


def test_smaller_sets_take_smaller_batches_and_fewer_epochs():
    toy, small, paper = (RECIPES[name] for name in ("toy", "small", "paper"))
    assert [(recipe.batch, recipe.epochs) for recipe in (toy, small, paper)] == [(16, 12), (32, 45), (128, 90)]


@pytest.mark.parametrize("name, last", [("paper", 0.001), ("small", 0.01), ("toy", 0.1)])
def test_every_drop_comes_before_the_end(name, last):
    """Even where the error never falls, which drops a plateau's rate as soon as may be."""
    recipe = RECIPES[name]
    scales = [recipe.schedule.scale(epoch, [0.5] * epoch) for epoch in range(recipe.epochs)]
    assert scales[0] == 1 and scales[-1] == pytest.approx(last) and scales == sorted(scales, reverse=True)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_a_recipe_is_frozen(recipe):
    with pytest.raises(FrozenInstanceError):
        recipe.rate = 1.0
