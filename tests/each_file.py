"""One test that looks at many files: a test of its own for each costs more than the look."""

from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def each_file(paths: Iterable[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Let a test run for each of these files. It fails after the last one, and names every file that failed and why."""

    def decorate(test: Callable[[Path], None]) -> Callable[[], None]:
        def run_for_each() -> None:
            wrong = {}
            for path in paths:
                try:
                    test(path)
                except AssertionError as error:
                    wrong[str(path.relative_to(ROOT))] = str(error)
            assert not wrong, "\n\n".join(f"{path}: {reason}" for path, reason in wrong.items())

        run_for_each.__doc__ = test.__doc__
        return run_for_each

    return decorate
