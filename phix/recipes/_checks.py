"""Checks that the choices of several recipes share. Imports no JAX."""


def require_positive(choices, *names: str) -> None:
    """Raises `ValueError` for the first of the fields that is not positive."""
    for name in names:
        value = getattr(choices, name)
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
