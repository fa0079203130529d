"""`python -m bench.profile`: the processor time of a purchase by layer; `--join`, `--journal`, `--limits`, `--lines 20`.

A timer of the processor time interrupts the purchases. Each sample counts for the innermost frame that belongs to a layer, so the time that
a layer spends in the standard library or in compiled code is its own. The purchases run in this process, without HTTP.
"""

import argparse
import itertools
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from bench.app_in_process import app_in_process
from tests import builders

ROOT = Path(__file__).parents[1]
SAMPLE_SECONDS = 0.001
TICKETS = 20_000
WARM_UP_SECONDS = 0.3

# The first of these paths in a frame's file decides its layer.
LAYERS = {
    "/devtools/dynamodb/journal": "journal",
    "/devtools/dynamodb/": "local engine",
    "/botocore/": "botocore and transport",
    "/boto3/": "botocore and transport",
    "/urllib3/": "botocore and transport",
    "/chalicelib/dynamodb/cache": "our code",
    "/chalicelib/dynamodb/": "our access to DynamoDB",
    "/chalicelib/foundation/sdk_calls": "our access to DynamoDB",
    "/pynamodb/": "PynamoDB",
    "/chalicelib/": "our code",
    "/chalice/": "Chalice and the gateway",
    "/infra/local/": "Chalice and the gateway",
    "/tests/": "the client of this measurement",
    "/bench/": "the client of this measurement",
}
OTHER = "other"


class Sampler:
    """Counts samples by layer, and by layer, file, line and function."""

    def __init__(self) -> None:
        self.layers: Counter[str] = Counter()
        self.lines: Counter[tuple[str, str]] = Counter()
        self._known: dict[str, str | None] = {}

    def sample(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        while frame is not None:
            layer = self._layer(frame.f_code.co_filename)
            if layer is not None:
                self.layers[layer] += 1
                place = f"{_short(frame.f_code.co_filename)}:{frame.f_lineno} {frame.f_code.co_qualname}"
                self.lines[layer, place] += 1
                return
            frame = frame.f_back
        self.layers[OTHER] += 1

    def _layer(self, file: str) -> str | None:
        if file not in self._known:
            self._known[file] = layer_of(file)
        return self._known[file]


def layer_of(file: str) -> str | None:
    """Return the layer of a source file; None for the standard library and other files that work for all layers."""
    path = f"/{_short(file)}"
    return None if path == f"/{file}" else next((layer for part, layer in LAYERS.items() if part in path), None)


def _short(file: str) -> str:
    """Return the path relative to the packages or to this repository; other paths unchanged."""
    return file.rpartition("/site-packages/")[2].removeprefix(f"{ROOT}/")


def profile(seconds: float, folder: Path | None, *, limits: bool = False, join: bool = False) -> tuple[Sampler, float]:
    """Buy, or join a waiting room, for `seconds` seconds of processor time.

    Returns the samples, and the milliseconds per purchase or join without sampling.
    """
    sampler, numbers = Sampler(), itertools.count()
    overrides = {"rate_limits": "on", "address_factor": 10_000} if limits else {}
    with app_in_process(folder, **overrides) as api:
        event_id, tier_id = builders.create_shop(api, capacity=TICKETS)
        with_room = builders.create_event(api, "Queue", waiting_room={"enabled": True, "wave_size": TICKETS, "wave_seconds": 1})

        def act() -> int:
            user = f"buyer-{next(numbers)}"
            if join:
                return api.post(f"/events/{with_room}/waiting-room/join", user=user).status
            return builders.buy(api, user, event_id, tier_id).status

        def act_for(seconds: float) -> float:
            """Returns the milliseconds per purchase or join."""
            began, count = time.process_time(), 0
            while time.process_time() - began < seconds:
                assert act() in (200, 201)
                count += 1
            return (time.process_time() - began) / max(1, count) * 1000

        act_for(WARM_UP_SECONDS)
        milliseconds = act_for(seconds / 4)
        signal.signal(signal.SIGPROF, sampler.sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
        try:
            act_for(seconds)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return sampler, milliseconds


def report(sampler: Sampler, milliseconds: float, lines: int) -> str:
    total = sampler.layers.total() or 1
    rows = [f"{milliseconds:.2f} ms of processor time each, {total:,} samples", ""]
    for layer, count in sampler.layers.most_common():
        rows.append(f"{layer:28}{count / total:7.1%}{count / total * milliseconds:8.2f} ms")
    if lines:
        rows += ["", *(f"{count / total:6.1%}  {layer:24} {place}" for (layer, place), count in sampler.lines.most_common(lines))]
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--join", action="store_true", help="join a waiting room instead of buying")
    parser.add_argument("--journal", action="store_true", help="use the journal of the local run")
    parser.add_argument("--limits", action="store_true", help="use rate limits")
    parser.add_argument("--seconds", type=float, default=10, help="seconds of processor time (default: 10)")
    parser.add_argument("--lines", type=int, default=0, help="number of the most expensive lines to show")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sampler, milliseconds = profile(
            options.seconds, Path(folder) if options.journal else None, limits=options.limits, join=options.join
        )
    print(report(sampler, milliseconds, options.lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
