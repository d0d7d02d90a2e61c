"""The error that ends a run with one message and no traceback, and lists of problems for it."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.errors import CompactHydraException

MAX_LINES_PER_KIND = 20


class RecipeError(CompactHydraException):
    """Something the user can put right: what is wrong, where, and what to do.

    Hydra prints exceptions of this family as their text alone and exits with code 1;
    with ``HYDRA_FULL_ERROR=1`` it shows the traceback as well.
    """


class Problems:
    """What is wrong with the data, one line each, in the order found."""

    def __init__(self) -> None:
        self._by_kind: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_kind)

    def add(self, kind: str, line: str) -> None:
        """Note one problem; lines of one kind are shortened together."""
        # Half a character (a lone surrogate in JSON) cannot be written to any terminal or file.
        printable = line.encode("utf-8", "backslashreplace").decode("utf-8")
        self._by_kind.setdefault(kind, []).append(printable)

    def lines(self) -> list[str]:
        """Every problem, but of each kind no more than the first twenty and a count."""
        kinds = self._by_kind.values()
        return [line for lines in kinds for line in _first_lines(lines, " of the same kind")]

    def raise_if_any(self, where: str) -> None:
        """Raise a `RecipeError` that lists all problems under a heading, if there are any."""
        lines = self.lines()
        if lines:
            noun = "Problem" if len(lines) == 1 else "Problems"
            listed = "\n".join(f"  {line}" for line in lines)
            raise RecipeError(f"{noun} with {where}:\n{listed}")


def shortened(lines: Sequence[str]) -> str:
    """Join lines below a heading: twenty of them, and how many more there are."""
    return "".join(f"\n  {line}" for line in _first_lines(lines))


def _first_lines(lines: Sequence[str], of_what: str = "") -> list[str]:
    more = len(lines) - MAX_LINES_PER_KIND
    rest = [f"... and {more} more{of_what}"] if more > 0 else []
    return [*lines[:MAX_LINES_PER_KIND], *rest]
