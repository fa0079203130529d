"""Disable garbage collection during a cold start. `app.py` imports this module first and calls `resume_garbage_collection` last.

Imports create almost no garbage, but the collector would examine the imported objects again and again as their number grows. These checks
would take a tenth of the CPU time that the API needs to start. `resume_garbage_collection` also excludes these objects from later
collections, so collections are short while an instance serves requests.
"""

import gc

gc.disable()


def resume_garbage_collection() -> None:
    """Collect garbage again, but only among objects created from now on."""
    gc.freeze()
    gc.enable()
