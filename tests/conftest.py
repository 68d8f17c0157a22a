import os

import jax
import jax.random as jr
import pytest


jax.config.update("jax_enable_x64", os.environ.get("PHIX_TEST_X64", "1") == "1")


@pytest.fixture
def getkey():
    """Fresh keys, the same ones in every run of one test."""
    key = jr.key(0)
    count = 0

    def get():
        nonlocal count
        count += 1
        return jr.fold_in(key, count)

    return get
