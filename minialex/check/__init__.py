"""The exercises' checker: it says which mistake was made, in an exercise of the lessons or in any layer of one's own.

print(check_exercise("lrn", my_module))
print(check_pair(my_forward, my_backward, [(3, 4, 5, 6)]))
"""

from minialex.check.exercises import NAMES, exercise
from minialex.check.learner import SECONDS, Learner
from minialex.check.pair import check_pair
from minialex.check.report import Report
from minialex.check.run import run

__all__ = ["NAMES", "Report", "check_exercise", "check_pair"]


def check_exercise(name: str, namespace, *, seconds: float = SECONDS) -> Report:
    """Check an exercise's functions, wherever they were written.

    name: of an exercise, one of NAMES.  namespace: a module, a dict, or an object that has the functions.
    seconds: how long one call of a function may take.
    Returns a report: `.ok`, and `str` of it says what is wrong. Raises ValueError for another name.
    """
    if name not in NAMES:
        raise ValueError(f"there is no exercise {name!r}: choose {', '.join(NAMES)}")
    return run(exercise(name), Learner(namespace, seconds=seconds), name)
