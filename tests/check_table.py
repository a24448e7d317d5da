"""What the checker says of every planted mistake: python -m tests.check_table"""

from minialex.check import check_exercise
from tests.check.planted import PLANTED


def said_of(planted) -> str:
    """The failing stage and what it says of the first thing that is wrong."""
    namespace = {"__name__": planted.base}
    exec(compile(planted.source(), planted.path.name, "exec"), namespace)
    return check_exercise(planted.exercise, namespace).state


def main() -> None:
    print("| exercise | what is planted | what the checker says |\n| --- | --- | --- |")
    for planted in PLANTED:
        cells = (planted.exercise, f"`{planted.what}`", said_of(planted))
        print(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    print(f"\n{len(PLANTED)} mistakes")


if __name__ == "__main__":
    main()
