"""minialex: the AlexNet paper (Krizhevsky, Sutskever, Hinton 2012) as readable array code."""

__version__ = "0.1.0"
