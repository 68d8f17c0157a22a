"""The run directory of a recipe, also of one that an older version began."""

from pathlib import Path
from typing import Any

from phix.data import RunDirectory
from phix.recipes._config import ConfigError, from_dict, to_dict


def run_folder(recipe: Any, directory: Path) -> RunDirectory:
    """Opens or makes the directory of a run.

    A key that came after the run was begun stands for its default, as in any config.

    **Raises:** as `RunDirectory`.
    """

    def read(saved: dict[str, Any]) -> dict[str, Any]:
        try:
            return to_dict(from_dict(saved))
        except ConfigError as error:
            raise ConfigError(
                f"run directory {directory} was begun with another config, or by "
                f"another version: {error}; use a new directory"
            ) from error

    return RunDirectory(directory, to_dict(recipe), read=read)
