"""A config with some of its numbers replaced by others, perhaps traced."""

import copy
import dataclasses
from typing import Any

from phix._errors import nearest


def number_at(config: Any, path: str) -> float | int:
    """The number that stands at `"equation.nu"` or `"start.amplitude.0"`.

    **Raises:** `ValueError` naming the nearest name if there is no number there.
    """
    value, done = config, []
    for name in path.split("."):
        choices = _choices(value)
        if name not in choices:
            at = ".".join(done) or "the simulation"
            raise ValueError(f"{path}: {at} has no {name!r}{nearest(name, choices)}")
        value = choices[name]
        done.append(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{path} is {value!r}, not a number that can be varied")
    return value


def varied(config: Any, values: dict[str, Any]) -> Any:
    """The config with other numbers at some paths."""
    here: dict[str, Any] = {}
    deeper: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        name, _, rest = path.partition(".")
        if rest:
            deeper.setdefault(name, {})[rest] = value
        else:
            here[name] = value
    for name, inner in deeper.items():
        here[name] = varied(_choices(config)[name], inner)
    if isinstance(config, tuple):
        return tuple(here.get(str(i), item) for i, item in enumerate(config))
    # Not `replace`, which would check the type of what may be traced.
    changed = copy.copy(config)
    for name, value in here.items():
        object.__setattr__(changed, name, value)
    return changed


def _choices(value: Any) -> dict[str, Any]:
    if isinstance(value, tuple):
        return {str(i): item for i, item in enumerate(value)}
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: getattr(value, field.name) for field in fields}
    return {}
