"""What lessons/figures.py draws: a file for each lesson's pictures, a function for each picture."""
