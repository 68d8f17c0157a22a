"""Which recipes there are. Names only: a recipe's module is imported when asked for."""

import importlib
from pathlib import Path
from typing import ClassVar, Protocol

from phix._errors import nearest


class Recipe(Protocol):
    """What the command line asks of a recipe, which is a frozen dataclass of choices.

    Its docstring opens with one line for `phix list`; `reference` names the paper. Its
    module imports the other rooms inside the methods only, so that reading a config
    costs no JAX.
    """

    reference: ClassVar[str]

    def run(self, directory: Path, *, progress: bool = True) -> None:
        """The whole job, into a run directory; continues one that was interrupted.
        `report.md` is written last: a run directory holding one is finished."""
        ...

    def simulate(self, path: Path) -> None:
        """Makes the recipe's data and writes them to the file `path`."""
        ...

    def evaluate(self, directory: Path) -> None:
        """Metrics, figures and report anew, from the checkpoint of a finished run."""
        ...

    def forecast(
        self, directory: Path, *, parameter: float, out: Path, num_frames: int | None
    ) -> None:
        """One forecast of the fitted model at a parameter, to the file `out`."""
        ...


_RECIPES: dict[str, str] = {"phi_rom": "phix.recipes.phi_rom:PhiROMRecipe"}


def register_recipe(name: str, target: str) -> None:
    """Makes `recipe = "name"` in a config select the class at `"module:Class"`."""
    if _RECIPES.setdefault(name, target) != target:
        raise ValueError(f"recipe {name!r} is already {_RECIPES[name]}, not {target}")


def recipe_names() -> tuple[str, ...]:
    """The registered names, sorted."""
    return tuple(sorted(_RECIPES))


def recipe_class(name: str) -> type:
    """The dataclass registered under `name`. **Raises:** `ValueError` if none is."""
    if name not in _RECIPES:
        raise ValueError(f"unknown recipe {name!r}{nearest(name, _RECIPES)}")
    module, _, attribute = _RECIPES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def recipe_name(cls: type) -> str:
    """The name under which `cls` is registered."""
    target = f"{cls.__module__}:{cls.__qualname__}"
    for name, registered in _RECIPES.items():
        if registered == target:
            return name
    raise ValueError(f"{target} is not a registered recipe (see `register_recipe`)")
