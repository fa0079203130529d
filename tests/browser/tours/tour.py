"""Tours of the managers' pages: each goes from state to state in one browser, because loading a page takes the most time.

A tour yields the name of each state in which it has brought the page.
"""

from collections.abc import Callable, Iterator

from tests.browser.managers import Manager

Tour = Callable[[Manager], Iterator[str]]
