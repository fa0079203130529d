"""`python -m infra.dead_letters [FUNCTION ...] [--replay] [--discard]`: what functions of a stage gave up (docs/runbook.md, dead-letters).

Without an option it shows what is there and whether it can be replayed, and changes nothing. It works on the stage that the environment
names. Exit code 0: nothing is left; 1: something is; 2: it failed.
"""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

import boto3.session
from botocore.exceptions import BotoCoreError, ClientError

from bootstrap import aws_stage, env_file, interrupts
from chalicelib.foundation import settings
from infra.dead_letters.letters import DeadLetters, Letter
from infra.dead_letters.replay import ClientOf, NotReplayed, Replay, TooOld
from infra.deploy.account import explain
from infra.template.functions import FUNCTIONS, SCHEDULED, dead_letters_id

MAIL_REPORTS = "mail-reports"
QUEUES = (*(name.replace("_", "-") for name in FUNCTIONS if dead_letters_id(name) is not None), MAIL_REPORTS)
LIMIT = 1000  # letters of a queue in one run
NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


def main(argv: Sequence[str] | None = None, client_of: ClientOf | None = None) -> int:
    """Show, replay or discard; returns the exit code. `client_of` makes clients, other than those of the environment's region."""
    parser = ArgumentParser(prog="python -m infra.dead_letters", description="What functions gave up; see docs/runbook.md, dead-letters.")
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=f"of these only: {', '.join(QUEUES)}")
    parser.add_argument("--replay", action="store_true", help="do again what can be done, and delete the letters that are done")
    parser.add_argument("--discard", action="store_true", help="delete the letters whose changes are too old to be read")
    try:
        chosen = parser.parse_args(argv)
        if unknown := [name for name in chosen.functions if name not in QUEUES]:
            parser.error(f"there is no queue of {unknown[0]}; there are {', '.join(QUEUES)}")
        aws_stage.require(os.environ)
        current = settings.current()
        made = client_of or boto3.session.Session(region_name=current.region).client
        names: Sequence[str] = chosen.functions or QUEUES
        left = sum(_handle(made, current.stage, name, replays=chosen.replay, discards=chosen.discard) for name in names)
    except SystemExit as parser_exit:
        return int(parser_exit.code or 0)
    except settings.SettingsError as error:
        return _failed(str(error))
    except (BotoCoreError, ClientError) as error:
        return _failed(f"{explain(error)} What was not done stays in its queue and shows again within an hour.")
    print(f"{left} letters are left." if left else "No letters are left.")
    return 1 if left else 0


def _handle(client_of: ClientOf, stage: str, name: str, *, replays: bool, discards: bool) -> int:
    """Handle the letters of one queue; returns how many are left."""
    try:
        queue = DeadLetters(client_of("sqs"), stage, name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in NO_QUEUE:
            raise
        if name != MAIL_REPORTS:  # only a stage that sends by SES has that one
            print(f"{name}: stage {stage} has no such queue in this region")
        return 0
    letters, done = queue.take(LIMIT), list[Letter]()
    print(f"{name}: {len(letters)} letters", flush=True)
    replay = Replay(client_of, is_schedule=name.replace("-", "_") in SCHEDULED)
    try:
        for letter in letters:
            # A run of a schedule takes up all that was left.
            if (replay.is_schedule and done) or _handle_letter(replay, letter, replays=replays, discards=discards):
                done.append(letter)
    finally:
        queue.delete(done)
        queue.put_back([letter for letter in letters if letter not in done])
    return len(letters) - len(done)


def _handle_letter(replay: Replay, letter: Letter, *, replays: bool, discards: bool) -> bool:
    """Say what is done with a letter, and do it. Returns whether it can be deleted."""
    print(f"  {letter.given_up_at} ({letter.reason or 'no reason given'}):", end=" ", flush=True)
    try:
        print(replay.describe(letter), end="", flush=True)
        if replays:
            replay.run(letter)
    except TooOld as error:
        print(f"{error}{'; deleted' if discards else ''}", flush=True)
        return discards
    except NotReplayed as error:
        print(f" stays: {error}", flush=True)
        return False
    print(": done" if replays else "", flush=True)
    return replays


def _failed(why: str) -> int:
    print(f"dead_letters: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    env_file.load()
    sys.exit(
        interrupts.run(main, "What was done is done; the other letters are in their queues, and all of them show again within an hour.")
    )
