"""The error that ends a run with one message and no traceback."""

from __future__ import annotations

from hydra.errors import CompactHydraException


class RecipeError(CompactHydraException):
    """Something the user can put right: what is wrong, where, and what to do.

    Hydra prints exceptions of this family as their text alone and exits with code 1;
    with ``HYDRA_FULL_ERROR=1`` it shows the traceback as well.
    """
