"""`python -m infra.dead_letters [FUNCTION ...] [--replay] [--discard]`: show or replay the events that functions of a stage gave up.

Without an option it lists the letters, says whether each can be replayed, and changes nothing. It works on the stage that the environment
names; see docs/runbook.md, dead-letters. Exit code 0: no letters are left; 1: some are left; 2: the command failed.
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
LIMIT = 1000  # letters per queue in one run
NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


def main(argv: Sequence[str] | None = None, client_of: ClientOf | None = None) -> int:
    """Show, replay or discard letters; returns the exit code. `client_of` replaces the clients of the environment's region."""
    parser = ArgumentParser(
        prog="python -m infra.dead_letters",
        description="Show or replay the events that functions gave up; see docs/runbook.md, dead-letters.",
    )
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=f"only these: {', '.join(QUEUES)}")
    parser.add_argument("--replay", action="store_true", help="replay all letters that can be replayed, and delete them")
    parser.add_argument("--discard", action="store_true", help="delete the letters whose changes are too old to replay")
    try:
        chosen = parser.parse_args(argv)
        if unknown := [name for name in chosen.functions if name not in QUEUES]:
            parser.error(f"{unknown[0]} has no queue; the queues are {', '.join(QUEUES)}")
        aws_stage.require(os.environ)
        current = settings.current()
        create_client = client_of or boto3.session.Session(region_name=current.region).client
        names: Sequence[str] = chosen.functions or QUEUES
        left = sum(_handle(create_client, current.stage, name, replays=chosen.replay, discards=chosen.discard) for name in names)
    except SystemExit as parser_exit:
        return int(parser_exit.code or 0)
    except settings.SettingsError as error:
        return _failed(str(error))
    except (BotoCoreError, ClientError) as error:
        return _failed(f"{explain(error)} Letters that were not replayed stay in their queues and become visible again within an hour.")
    print(f"Letters left: {left}." if left else "No letters are left.")
    return 1 if left else 0


def _handle(client_of: ClientOf, stage: str, name: str, *, replays: bool, discards: bool) -> int:
    """Handle the letters of one queue; returns the number that are left."""
    try:
        queue = DeadLetters(client_of("sqs"), stage, name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in NO_QUEUE:
            raise
        if name != MAIL_REPORTS:  # exists only in stages that send with SES
            print(f"{name}: stage {stage} has no such queue in this region")
        return 0
    letters, done = queue.take(LIMIT), list[Letter]()
    print(f"{name}: {len(letters)} letters", flush=True)
    replay = Replay(client_of, is_schedule=name.replace("-", "_") in SCHEDULED)
    try:
        for letter in letters:
            # One run of a scheduled function does all pending work.
            if (replay.is_schedule and done) or _handle_letter(replay, letter, replays=replays, discards=discards):
                done.append(letter)
    finally:
        queue.delete(done)
        queue.put_back([letter for letter in letters if letter not in done])
    return len(letters) - len(done)


def _handle_letter(replay: Replay, letter: Letter, *, replays: bool, discards: bool) -> bool:
    """Print what happens to a letter, and do it. Returns whether the letter can be deleted."""
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
        interrupts.run(
            main, "Some letters may already be replayed. The others are in their queues and become visible again within an hour."
        )
    )
