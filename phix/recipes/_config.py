"""Configs: TOML read into frozen dataclasses and written back. Imports no JAX.

A key that is absent keeps the field's default. A field whose type is a union of
dataclasses is a table with a `kind`, the class-level name of one of them.
"""

import contextlib
import dataclasses
import io
import re
import sys
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from phix._errors import nearest
from phix.recipes._registry import recipe_class, recipe_name


_Recipe = TypeVar("_Recipe")


class ConfigError(ValueError):
    """A config that cannot be used; the message names the file and the key."""


def load_config(path: str | Path) -> Any:
    """Reads a TOML file into the recipe dataclass that its key `recipe` selects.

    **Raises:** `ConfigError` naming the file, the key and the nearest valid one, or the
    value and the type that was wanted.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read the config {path}: {reason}") from error
    return parse_config(text, source=str(path))


def parse_config(text: str, *, source: str = "config") -> Any:
    """As `load_config`, of a text; `source` is what error messages call it."""
    try:
        return from_dict(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not valid TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{source}: its arrays or tables nest too deep") from None
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from error


def from_dict(table: Mapping[str, Any]) -> Any:
    """The recipe of which `to_dict` gave these tables, or some of their keys.

    **Raises:** as `load_config`, without the file.
    """
    name = table.get("recipe")
    if not isinstance(name, str):
        raise ConfigError('the key recipe is missing: recipe = "name"')
    rest = {key: value for key, value in table.items() if key != "recipe"}
    return _dataclass(recipe_class(name), rest, "", None)


def to_dict(recipe: Any) -> dict[str, Any]:
    """The config of a recipe as plain tables, every field spelt out (None left out)."""
    return {"recipe": recipe_name(type(recipe)), **plain(recipe)}


def to_toml(recipe: Any) -> str:
    """The config of a recipe as TOML; read back, it is checked to give the same recipe.

    **Raises:** `ConfigError` if it does not, for instance because a field without a
    default of None holds None, which TOML cannot write.
    """
    import tomli_w

    text = tomli_w.dumps(to_dict(recipe))
    again = parse_config(text, source="the config as written")
    if again != recipe:
        raise ConfigError(f"{recipe} reads back from TOML as {again}")
    return text


def override(recipe: _Recipe, arguments: Sequence[str]) -> _Recipe:
    """The recipe with `--field.sub value …` put over it; variants stay as they are.

    `--help` prints the fields with their present values, and exits.
    """
    if not arguments:
        return recipe
    import tyro

    for argument in arguments:
        if argument.startswith("--") and argument not in ("--", "--help"):
            _check_option(recipe, argument)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                tyro.conf.AvoidSubcommands[type(recipe)],
                default=recipe,
                args=list(arguments),
                prog="phix COMMAND CONFIG",
                add_help="--help" in arguments,
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise ConfigError(f"{' '.join(arguments)}: {_message(said)}") from None


def _message(said: io.StringIO) -> str:
    """What stands in the box that Tyro draws: no title, no help text, one line."""
    text = re.sub(r"╭[^╮]*╮", "", said.getvalue()).partition("Argument helptext")[0]
    return re.sub(r"[─│╰╯\s]+", " ", text).strip()


def _check_option(recipe: Any, argument: str) -> None:
    key = argument.removeprefix("--").partition("=")[0].replace("-", "_")
    keys = list(_leaves(recipe))
    plain = {*keys, *(re.sub(r"([^.]+)$", r"no_\1", leaf) for leaf in keys)}
    if key not in plain:
        raise ConfigError(f"unknown option {argument}{nearest(key, keys)}")


def _leaves(value: Any, prefix: str = "") -> Iterator[str]:
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        if dataclasses.is_dataclass(inner):
            yield from _leaves(inner, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def plain(value: Any) -> Any:
    """Dataclasses as tables, as TOML and JSON know them (None left out)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = _kind(type(value))
        table = {} if kind is None else {"kind": kind}
        for field in dataclasses.fields(value):
            inner = getattr(value, field.name)
            if inner is not None:
                table[field.name] = plain(inner)
        return table
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def _dataclass(cls: type, table: Any, at: str, default: Any) -> Any:
    """`table` as a `cls`; absent keys come from `default` if that is one."""
    if not isinstance(table, dict):
        raise _wrong(at, table, "a table")
    table, kind = dict(table), _kind(cls)
    if kind is not None and table.pop("kind", kind) != kind:
        raise ConfigError(f"{_join(at, 'kind')} is not {kind!r}, the only choice")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for key in table:
        if key not in fields:
            raise ConfigError(f"unknown key {_join(at, key)}{nearest(key, fields)}")
    values = {}
    for name, field in fields.items():
        inherits = type(default) is cls
        present = getattr(default, name) if inherits else _default(field)
        if name in table:
            values[name] = _value(hints[name], table[name], _join(at, name), present)
        elif present is dataclasses.MISSING:
            raise ConfigError(f"missing key {_join(at, name)}")
        else:
            values[name] = present
    try:
        return cls(**values)
    except (ValueError, ArithmeticError) as error:
        raise ConfigError(f"{at}: {error}" if at else str(error)) from error


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _value(hint: Any, value: Any, at: str, default: Any = None) -> Any:
    """`value` as read from TOML, as the annotation `hint` wants it."""
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union(choices, value, at, default)
    if origin is typing.Literal:
        if any(value == item and type(value) is type(item) for item in choices):
            return value
        hinted = nearest(str(value), map(str, choices))
        raise ConfigError(f"{at} = {value!r} is no valid choice{hinted}")
    if origin is tuple:
        return _tuple(choices, value, at)
    if origin is dict and isinstance(value, dict):
        return {k: _value(choices[1], v, _join(at, k)) for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        return _dataclass(typing.cast(type, hint), value, at, default)
    if hint is float and type(value) is int and abs(value) <= _LARGEST:
        return float(value)
    if hint is Path and type(value) is str:
        return Path(value)
    if type(value) is hint:
        return value
    raise _wrong(at, value, _name(hint))


def _tuple(items: tuple, value: Any, at: str) -> tuple:
    if not isinstance(value, list):
        raise _wrong(at, value, "an array")
    if len(items) == 2 and items[1] is Ellipsis:
        items = (items[0],) * len(value)
    if len(items) != len(value):
        raise _wrong(at, value, f"an array of {len(items)} values")
    pairs = enumerate(zip(items, value, strict=True))
    return tuple(_value(hint, item, f"{at}[{i}]") for i, (hint, item) in pairs)


def _union(choices: tuple, value: Any, at: str, default: Any) -> Any:
    choices = tuple(choice for choice in choices if choice is not type(None))
    if len(choices) == 1:
        return _value(choices[0], value, at, default)
    tables = [choice for choice in choices if dataclasses.is_dataclass(choice)]
    if isinstance(value, dict) and len(tables) == 1:
        return _dataclass(typing.cast(type, tables[0]), value, at, default)
    classes = {kind: choice for choice in choices if (kind := _kind(choice))}
    if isinstance(value, dict) and classes:
        kind = value.get("kind", _kind(type(default)))
        if kind is None:
            names = ", ".join(sorted(classes))
            raise ConfigError(f"missing key {_join(at, 'kind')} (one of {names})")
        if not isinstance(kind, str) or kind not in classes:
            hint = nearest(str(kind), classes)
            raise ConfigError(f"unknown {_join(at, 'kind')} = {kind!r}{hint}")
        return _dataclass(classes[kind], value, at, default)
    for choice in sorted(choices, key=lambda choice: choice is float):  # ints first
        with contextlib.suppress(ConfigError):
            return _value(choice, value, at, default)
    raise _wrong(at, value, " or ".join(map(_name, choices)))


def _kind(cls: Any) -> str | None:
    """The class-level name of a variant; a field called `kind` is no such name."""
    if not dataclasses.is_dataclass(cls):
        return None
    if any(field.name == "kind" for field in dataclasses.fields(cls)):
        return None
    return getattr(cls, "kind", None)


_LARGEST = int(sys.float_info.max)
_NAMES = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    Path: "a path, as a string",
}


def _name(hint: Any) -> str:
    if typing.get_origin(hint) is tuple:
        return "an array"
    if dataclasses.is_dataclass(hint) or typing.get_origin(hint) is dict:
        return "a table"
    return _NAMES.get(hint, str(hint))


def _wrong(at: str, value: Any, wanted: str) -> ConfigError:
    return ConfigError(f"{at or 'the config'} = {value!r:.200}; wanted {wanted}")


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key
