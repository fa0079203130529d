"""The seeds of this test run, which the options `--seed` and `--seeds` choose (docs/testing.md)."""

import random

import hypothesis
import hypothesis.core
import pytest

FRESH = "fresh"

first = 0
_count: int | None = None


def add_options(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed", help=f"the first seed of races, and the seed of made-up data and histories (default: 0; {FRESH}: a random one)"
    )
    parser.addoption("--seeds", type=int, help="how many seeds a race tries, and how many histories are made up (default: each test says)")


def choose(config: pytest.Config) -> None:
    """Apply the options. A fresh seed is chosen once, and the workers of pytest-xdist get it from the process that started them."""
    global first, _count
    chosen = getattr(config, "workerinput", {}).get("seed", config.option.seed)
    first, _count = random.SystemRandom().randrange(1_000_000) if chosen == FRESH else int(chosen or 0), config.option.seeds
    hypothesis.core.global_force_seed = first
    hypothesis.settings.register_profile("tests", hypothesis.settings.get_profile("tests"), max_examples=examples(100))
    hypothesis.settings.load_profile("tests")


def numbers(default: int) -> range:
    """Return the seeds that a race tries."""
    return range(first, first + count(default))


def count(default: int) -> int:
    """Return how many seeds or histories to try."""
    return _count or default


def examples(default: int) -> int:
    """Return how many made-up examples to try. Short runs, which choose a number of seeds, try a fifth."""
    return default if _count is None else max(1, default // 5)
