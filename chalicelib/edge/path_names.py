"""Names that stand for ids in paths, such as the slug of an event. Features resolve them; `app.py` registers their functions."""

from collections.abc import Callable

_resolvers = dict[str, Callable[[str], str]]()


def register_resolver(parameter: str, resolve: Callable[[str], str]) -> None:
    """Let handlers get `resolve(text)` as the path parameter of this name. It returns the text itself for what it does not know."""
    _resolvers[parameter] = resolve


def resolve(parameter: str, text: str) -> str:
    """The id that the text stands for as a path parameter of this name."""
    resolver = _resolvers.get(parameter)
    return text if resolver is None else resolver(text)
