"""The kinds of boundary, and how a user's short form is read."""

import dataclasses
import math

from phix._errors import nearest, require


_PAIRED = ("periodic", "antiperiodic", "twisted")
_SINGLE = ("dirichlet", "neumann", "inflow", "outflow")


@dataclasses.dataclass(frozen=True)
class Boundary:
    r"""What holds on one side of one axis of a `Grid`.

    **Arguments:**

    - `kind`: one of
        - `"periodic"`: $u(x + L) = u(x)$;
        - `"antiperiodic"`: $u(x + L) = -u(x)$;
        - `"twisted"`: $u(x + L) = u(x) + c$, written `Twisted(c)`;
        - `"dirichlet"`: $u$ is given;
        - `"neumann"`: the derivative along the *outward* normal is given;
        - `"inflow"`: the nodes next to the side carry given data and are held;
        - `"outflow"`: open; nothing is given.

        The first three tie the two sides of an axis together and come in pairs.
    - `shift`: the constant $c$ of `"twisted"`, a number or a tuple, one per channel.

    Boundary *values* are no part of the space: they belong to the equation.

    **Raises:** `ValueError` for an unknown kind, or a shift without a twist.
    """

    kind: str
    shift: float | tuple[float, ...] = 0.0

    def __post_init__(self):
        kinds = _PAIRED + _SINGLE
        require(
            self.kind in kinds,
            f"unknown boundary {self.kind!r}{nearest(str(self.kind), kinds)}",
        )
        shifts = self.shift if isinstance(self.shift, tuple) else (self.shift,)
        require(
            all(math.isfinite(c) for c in shifts),
            f"boundary shift must be finite, got {self.shift}",
        )
        require(
            self.kind == "twisted" or not any(shifts),
            f"only a twisted boundary has a shift; {self.kind!r} got {self.shift}",
        )

    @property
    def paired(self) -> bool:
        """Whether the side is glued to the opposite one."""
        return self.kind in _PAIRED

    def to_plain(self) -> str | dict:
        """The boundary as a name, or a plain dictionary where it has a shift."""
        if self.kind == "twisted":
            return {"kind": self.kind, "shift": self.shift}
        return self.kind


def Twisted(shift: float | tuple[float, ...]) -> Boundary:
    """The boundary of a field that gains a constant along an axis: u(x+L) = u(x) + c.

    **Arguments:**

    - `shift`: the constant c, a number or a tuple with one entry per channel (2π for a
        sine-Gordon field with one kink; `(2π, 0)` beside its velocity).
    """
    return Boundary("twisted", shift)


def _side(entry: object) -> Boundary:
    if isinstance(entry, Boundary):
        return entry
    if isinstance(entry, str):
        require(entry != "twisted", "a twisted boundary needs its constant: Twisted(c)")
        return Boundary(entry)
    if isinstance(entry, dict) and set(entry) == {"kind", "shift"}:
        shift = entry["shift"]
        return Boundary(
            entry["kind"], tuple(shift) if isinstance(shift, list) else shift
        )
    raise ValueError(f"boundary must be a name or a Boundary, got {entry!r}")


def _axis(entry: object, axis: int) -> tuple[Boundary, Boundary]:
    sides = entry if isinstance(entry, tuple | list) else (entry, entry)
    require(
        len(sides) == 2,
        f"boundary of axis {axis} must be one name or a pair (left, right), "
        f"got {entry!r}",
    )
    left, right = (_side(side) for side in sides)
    require(
        left == right or not (left.paired or right.paired),
        f"boundary of axis {axis}: {left.kind!r} and {right.kind!r} do not go "
        "together; periodic, antiperiodic and twisted tie both sides of an axis",
    )
    return left, right


def read_boundary(boundary: object, ndim: int) -> tuple[tuple[Boundary, Boundary], ...]:
    """Every short form of a boundary as one pair `(left, right)` per axis."""
    entries: list = [boundary] * ndim
    if isinstance(boundary, tuple | list):
        sides_of_the_only_axis = ndim == 1 and len(boundary) == 2
        entries = [boundary] if sides_of_the_only_axis else list(boundary)
    require(
        len(entries) == ndim,
        f"boundary must have one entry per axis: {ndim} wanted, got {boundary!r}",
    )
    axes = tuple(_axis(entry, axis) for axis, entry in enumerate(entries))
    kinds = {side.kind for axis in axes for side in axis}
    require(
        not {"twisted", "antiperiodic"} <= kinds,
        "boundary: no field is twisted along one axis and antiperiodic along another",
    )
    return axes
