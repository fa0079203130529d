"""A process that starts like an instance of a Lambda function: `python instance_process.py FOLDER MODULE.HANDLER`.

It imports the module from the folder, then reads events, one JSON object per line. After the start (with a null reply) and after each
event it writes a line: the reply, the names of the modules loaded, and the CPU seconds used until then.
"""

import json
import os
import resource
import sys
from importlib import import_module

OWN_MODULES = frozenset(sys.modules)


def main() -> None:
    folder, (module_name, _, handler_name) = sys.argv[1], sys.argv[2].rpartition(".")
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # log lines
    os.environ.setdefault("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
    sys.path[0] = folder
    for name in ("aiohttp", "httpx"):  # not deployed, but Stripe's SDK loads them if they are installed
        sys.modules[name] = None  # type: ignore[assignment]
    before = _cpu_seconds()

    def report(reply: object) -> None:
        loaded = sorted(name for name, module in sys.modules.items() if module is not None and name not in OWN_MODULES)
        print(json.dumps({"reply": reply, "modules": loaded, "cpu_seconds": _cpu_seconds() - before}), file=replies, flush=True)

    handler = getattr(import_module(module_name), handler_name)
    report(None)
    for line in sys.stdin:
        report(handler(json.loads(line), None))


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
