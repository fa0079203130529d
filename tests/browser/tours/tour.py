"""Tours of the pages for those who manage: each goes from state to state in one browser, because loading a page is what takes time.

A tour yields the name of each state in which it has brought the page.
"""

from collections.abc import Callable, Iterator

from tests.browser.managers import Manager

Tour = Callable[[Manager], Iterator[str]]
