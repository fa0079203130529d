"""The OpenAPI document as a file: `python -m infra.openapi > openapi.json`. With --check it prints nothing.

Fails if a route lacks a type, a docstring or a name of its own, because the document needs all three.
"""

import argparse
import json
import sys
from collections.abc import Sequence

import app
from bootstrap import interrupts
from chalicelib.edge.openapi import Undescribed, build_document


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.openapi", description="Write the OpenAPI document of the API to stdout.")
    parser.add_argument("--check", action="store_true", help="only check that the document can be generated")
    options = parser.parse_args(argv)
    try:
        document = build_document(app.app.routes)
    except Undescribed as error:
        print(f"The document cannot be generated: {error}. Give each handler a typed Reply and a docstring (docs/api.md).", file=sys.stderr)
        return 1
    if not options.check:
        print(json.dumps(document, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(interrupts.run(main, "Nothing was changed."))
