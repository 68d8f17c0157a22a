"""The run directory of a recipe, also of one that an older version began."""

from pathlib import Path
from typing import Any

from phix.data import RunDirectory
from phix.recipes._config import from_dict, to_dict


def run_folder(recipe: Any, directory: Path) -> RunDirectory:
    """Opens or makes the directory of a run.

    A key that came after the run was begun stands for its default, as in any config.

    **Raises:** as `RunDirectory`.
    """
    return RunDirectory(
        directory, to_dict(recipe), read=lambda saved: to_dict(from_dict(saved))
    )
