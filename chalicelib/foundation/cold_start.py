"""Keeps the garbage collector out of a cold start. `app.py` imports this module first and calls `end` last.

Almost nothing that imports create becomes garbage, but Python looks at all of it again and again while it grows: a tenth of the CPU time of
the API's start. What is there at the end is left out of later collections too, so those of an instance that serves requests are short.
"""

import gc

gc.disable()


def end() -> None:
    """Collect garbage again, but only among what is created from now on."""
    gc.freeze()
    gc.enable()
