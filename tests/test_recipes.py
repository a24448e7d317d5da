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


def test_a_recipe_and_the_update_rule_agree_on_what_is_usual():
    recipe, rates = Recipe(1, 1, 0.1, 0.1, Steps(())), Rates(0.1, 0.1)
    for name in ("momentum", "decay", "bias_decay"):
        assert getattr(recipe, name) == getattr(rates, name)


@pytest.mark.parametrize(
    "classes, name", [(2, "small"), (10, "small"), (100, "small"), (101, "paper"), (1000, "paper")]
)
def test_the_number_of_classes_chooses(classes, name):
    assert recipe_for(classes) == name and name in RECIPES


def test_few_classes_start_lower_and_every_drop_comes_before_the_end():
    small = RECIPES["small"]
    assert small.rate <= RECIPES["paper"].rate / 10
    scales = [small.schedule.scale(epoch, [0.5] * epoch) for epoch in range(small.epochs)]
    assert scales[0] == 1 and scales[-1] == pytest.approx(0.01) and scales == sorted(scales, reverse=True)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_a_recipe_is_frozen(recipe):
    with pytest.raises(FrozenInstanceError):
        recipe.rate = 1.0
