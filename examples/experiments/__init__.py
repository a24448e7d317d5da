"""The paper's experiments, re-run in small: each file holds one kind, with a table of them under EXPERIMENTS."""

from experiments import ablations, figure1, photos

EXPERIMENTS = figure1.EXPERIMENTS | ablations.EXPERIMENTS | photos.EXPERIMENTS
