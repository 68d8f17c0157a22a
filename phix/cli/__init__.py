"""The `phix` command."""

from phix.cli._main import main as main


__all__ = ["main"]
