"""What the checker found: one line a stage, and at the first failure what is wrong, where, and why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stage of a check: its name, whether it passed, and the lines that say why it did not."""

    name: str
    ok: bool
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The stages that were run; the last one may have failed. `str` of it is what a learner reads."""

    title: str
    stages: tuple[Stage, ...]
    notes: tuple[str, ...] = ()  # what is not wrong, and worth knowing
    not_begun: str = ""  # the line of a stub whose TODO still stands

    @property
    def ok(self) -> bool:
        """Whether everything is right."""
        return not self.not_begun and all(stage.ok for stage in self.stages)

    @property
    def state(self) -> str:
        """One line for a table: right, not begun, or the stage that failed and the first thing that is wrong."""
        if self.ok:
            return "right"
        if self.not_begun:
            return "not begun"
        failed = self.stages[-1]
        return f"{failed.name}: {failed.lines[0]}"

    def __str__(self) -> str:
        if self.not_begun:
            return f"{self.title}: not begun ({self.not_begun})"
        width = max(len(stage.name) for stage in self.stages)
        lines = [self.title]
        for stage in self.stages:
            lines.append(f"  {stage.name:<{width}}  {'ok' if stage.ok else 'FAIL'}")
            lines += [f"    {line}" for line in stage.lines]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join([*lines, "all is right"] if self.ok else lines)
