"""One file per published method: a typed config, and what is done with it."""

from phix.recipes._config import (
    ConfigError as ConfigError,
    load_config as load_config,
    override as override,
    parse_config as parse_config,
    to_dict as to_dict,
    to_toml as to_toml,
)
from phix.recipes._registry import (
    Recipe as Recipe,
    recipe_class as recipe_class,
    recipe_job as recipe_job,
    recipe_name as recipe_name,
    recipe_names as recipe_names,
    register_recipe as register_recipe,
)


__all__ = [
    "ConfigError",
    "Recipe",
    "load_config",
    "override",
    "parse_config",
    "recipe_class",
    "recipe_job",
    "recipe_name",
    "recipe_names",
    "register_recipe",
    "to_dict",
    "to_toml",
]
