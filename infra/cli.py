"""`fairgate`: the command line for operators. A table of commands, each of which is the `main` of a module, with options of its own.

The modules are imported when their command runs, so that the overview appears at once; docs/command-line.md lists all options.
"""

import os
import sys
from argparse import REMAINDER, ArgumentParser, RawDescriptionHelpFormatter, _SubParsersAction
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from itertools import groupby

from msgspec import Struct

from bootstrap import env_file, interrupts


class Command(Struct, frozen=True):
    """A command: `module` has its `main(argv)`, which gets `first` before the operator's arguments, and its `parser()`.

    `if_stopped` is the state after Ctrl-C, and what to do next. `--stage` sets `stage_variable`.
    """

    name: str
    group: str
    summary: str
    module: str
    examples: tuple[str, ...]
    if_stopped: str = "Nothing was changed."
    first: tuple[str, ...] = ()
    stage_variable: str = "FAIRGATE_STAGE"


CLOSED_PIPE = 141  # the exit code that shells give to programs that write to a closed pipe
_CATALOG, _STAGE, _DATA, _REGIONS = "What is on sale", "A stage on AWS", "The data of a stage", "A second region"
_DEV, _PROD = "--stage dev --region eu-central-1", "--stage prod --region eu-central-1"
_SHOP = "https://shop.example.com/api/v1"


def _catalog(name: str, summary: str, *examples: str) -> Command:
    if_stopped = "Buyers see either the old version or the new one, never a mixture. Run the command again to finish."
    return Command(name, _CATALOG, summary, "bootstrap.__main__", examples, if_stopped, (name,))


def _backup(name: str, summary: str, *examples: str) -> Command:
    if_stopped = "An interrupted backup leaves no file. After an interrupted restore, empty the tables before you restore again."
    return Command(name, _DATA, summary, "infra.backup", examples, if_stopped, (name,))


def _takeover(name: str, summary: str, region: str, example: str) -> Command:
    if_stopped = "Perhaps neither region sells. Run the command again; it begins from the start."
    return Command(name, _REGIONS, summary, "infra.region", (f"--stage prod --region {region} {example}",), if_stopped, (name,))


_ROWS = (
    Command(
        "run",
        "On this machine",
        "start everything on this machine and serve the shop",
        "infra.local.__main__",
        ("run", "run --port 9000 --data second-shop --reset"),
        first=("--build-pages",),
    ),
    _catalog("validate", "check bootstrap files without a store, and list every fault", "validate bootstrap/bootstrap-tickets.json"),
    _catalog("plan", "show what apply would change, and how many tickets are sold or on hold", "plan", f"{_DEV} plan --json"),
    _catalog("apply", "put the content of bootstrap files on sale, all or nothing", "apply", f"{_PROD} apply --yes"),
    _catalog("status", "show which version is on sale, since when, and who applied it", "status", f"{_PROD} status --json"),
    _catalog("drift", "compare what is on sale with bootstrap files", f"{_PROD} drift"),
    _catalog("rollback", "apply the document of an older version as a new version", f"{_PROD} rollback 3"),
    Command(
        "rehearse",
        _CATALOG,
        "rehearse a sale with a simulated crowd before it opens: go or no go",
        "bench.rehearse",
        (
            "rehearse summer-fest --people 5000",
            "rehearse summer-fest --file summer.json --instances 780 --json",
            "rehearse copy-of-summer-fest --url https://dev.example.com/api/v1 --token $TOKEN --people 60",
            "rehearse summer-fest --saved .build/rehearsal.json --drop report.json",
        ),
    ),
    _catalog("export", "write what is on sale as a bootstrap file", "export --output on-sale.json"),
    _catalog(
        "import-stripe",
        "create a bootstrap file from the products of a Stripe account",
        "import-stripe --capacity 200 --output stripe.json",
    ),
    _catalog(
        "import-pretix",
        "convert the export of a pretix event into files for the other commands",
        "import-pretix fest_pretixdata.json --currency EUR --date 2027-06-01T20:00:00 --venue 'Town Hall' --output fest",
    ),
    _catalog(
        "import-eventbrite",
        "convert reports from Eventbrite into files for the other commands",
        "import-eventbrite attendees.csv --orders orders.csv --waiting-list waitlist.csv --venue 'Town Hall' --output fest",
    ),
    _catalog("import-tickets", "import tickets that another system sold", f"{_PROD} import-tickets sold.csv --event summer-fest --apply"),
    _catalog(
        "import-waitlist",
        "add people from another system's waitlist to a waitlist",
        f"{_PROD} import-waitlist fest/fest-waiting.csv --event fest --apply",
    ),
    _catalog("export-promoter", "write all data of a promoter to an archive", f"{_PROD} export-promoter ada@example.com --output ada.zip"),
    _catalog("import-promoter", "import the archive of a promoter into this stage", f"{_DEV} import-promoter ada.zip --apply"),
    _catalog("schema", "write the JSON Schema of bootstrap files", "schema"),
    Command(
        "stages",
        _STAGE,
        "list the stages and, with AWS credentials, what is deployed",
        "infra.deploy.stages",
        ("stages", "--region eu-central-1 stages --json"),
    ),
    Command(
        "deploy",
        _STAGE,
        "deploy a stage to AWS",
        "infra.deploy.__main__",
        ("--stage dev deploy --dry-run", f"{_DEV} deploy"),
        stage_variable="STAGE",  # the tests that a deployment runs must not work on the stage
    ),
    Command(
        "domain",
        _STAGE,
        "serve the shop on a promoter's own domain: certificate, CDN, deployment",
        "infra.domains",
        (f"{_PROD} domain tickets.example.com --promoter north", f"{_PROD} domain tickets.example.com"),
        "Run the command again. It uses the certificate that it has requested.",
        stage_variable="STAGE",
    ),
    Command(
        "admin",
        _STAGE,
        "make a person an admin",
        "infra.create_admin",
        (f"{_DEV} admin ada@example.com",),
        "The admin may or may not have been created. Run the command again; repeating it is safe.",
    ),
    Command(
        "smoke-test",
        _STAGE,
        "check, as a buyer would, that a stage answers requests and sells tickets",
        "infra.smoke_test",
        (f"smoke-test {_SHOP}", f"smoke-test {_SHOP} --only-reads"),
        "If a ticket was reserved, it returns to the stock when its hold expires.",
    ),
    Command(
        "replay",
        _DATA,
        "show or replay the events that functions failed to process (dead letters)",
        "infra.dead_letters",
        (f"{_PROD} replay", f"{_PROD} replay follow-changes --replay"),
        "Some letters may already be replayed. The others are in their queues and become visible again within an hour.",
    ),
    Command(
        "rebuild",
        _DATA,
        "rebuild the reports of all events from the tables",
        "infra.rebuild_reports",
        (f"{_PROD} rebuild",),
        "The reports are unchanged. Run the command again.",
    ),
    Command(
        "reconcile",
        _DATA,
        "compare the books with the payment provider's, or the records with each other",
        "infra.reconcile",
        (f"{_PROD} reconcile --since 2026-11-01T00:00:00Z --until 2026-11-02T00:00:00Z", f"{_PROD} reconcile --records --json"),
        "All repairs up to now are saved. Run the command again; comparing the same period twice is safe.",
    ),
    _backup("backup", "save all data of a stage to files", f"{_PROD} backup backups/prod-monday"),
    _backup("restore", "load a backup into the empty tables of a stage", f"{_PROD} restore backups/prod-monday --create-tables"),
    _backup("drill", "test that a backup can be restored", f"{_PROD} drill backups/prod-monday"),
    Command(
        "standby",
        _REGIONS,
        "add a replica of each table in a second region",
        "infra.region",
        (f"{_PROD} standby",),
        "Some tables may have their replicas. Run the command again.",
        ("standby",),
    ),
    _takeover(
        "failover", "let this region take over the sales, even if the other region is down", "eu-west-1", "failover --report failover.json"
    ),
    _takeover("failback", "return the sales to this region after a failover", "eu-central-1", "failback"),
    Command(
        "verify",
        "From outside the shop",
        "check a draw or a stock ledger, or report on a sale",
        "chalicelib.waiting_room.verify",
        (f"verify {_SHOP}/events/summer-fest/waiting-room/proof --json", f"verify --report {_SHOP}/events/summer-fest"),
    ),
    Command(
        "completion",
        "Your shell",
        "write the script that completes these commands in bash, zsh or fish",
        "infra.completion",
        ("completion bash", "completion zsh", "completion fish"),
    ),
)
COMMANDS = {row.name: row for row in _ROWS}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 2 for an unknown command, CLOSED_PIPE if nobody reads the output anymore."""
    try:
        code = _main(argv)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE


def _main(argv: Sequence[str] | None) -> int:
    chosen = root_parser().parse_args(argv)
    name, arguments = chosen.command, chosen.arguments
    if name == "help":
        name, arguments = (arguments[0], ["--help"]) if arguments else (None, [])
    if name is None:
        print(_overview())
        return 0
    if name not in COMMANDS:
        nearest = get_close_matches(name, COMMANDS, n=1, cutoff=0)[0]
        print(f"fairgate: there is no command {name!r}; the nearest is {nearest!r}. `fairgate help` lists all commands.", file=sys.stderr)
        return 2
    return interrupts.run(lambda: _run(name, arguments, chosen.stage, chosen.region), COMMANDS[name].if_stopped)


def root_parser() -> ArgumentParser:
    """Return the parser of the options that precede a command's own arguments."""
    parser = ArgumentParser(prog="fairgate", description="The command line for operators of Fairgate.", add_help=False)
    parser.add_argument("-h", "--help", dest="command", action="store_const", const="help", help="list the commands")
    parser.add_argument("--stage", help="stage to work on, such as dev (default: FAIRGATE_STAGE, or the local run)")
    parser.add_argument("--region", help="AWS region of the stage, such as eu-central-1 (default: AWS_REGION)")
    parser.add_argument("command", nargs="?", metavar="COMMAND")
    parser.add_argument("arguments", nargs=REMAINDER, metavar="...", help="arguments of the command")
    return parser


def load_parser(name: str) -> ArgumentParser:
    """Return the parser of a command's module, with the command's name and examples."""
    parser: ArgumentParser = import_module(COMMANDS[name].module).parser()
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            parser = action.choices[name]
    parser.prog, parser.usage = f"fairgate {name}", None
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = "\n  ".join(["examples:", *(f"fairgate {example}" for example in COMMANDS[name].examples)])
    return parser


def _run(name: str, arguments: list[str], stage: str | None, region: str | None) -> int:
    command = COMMANDS[name]
    if {"-h", "--help"} & set(arguments):
        print(load_parser(name).format_help(), end="")
        return 0
    if name != "run":  # a local run reads the file before each of its restarts
        env_file.load()
    if stage:
        os.environ[command.stage_variable] = stage
    if region:
        os.environ.pop("FAIRGATE_REGION", None)
        os.environ["AWS_REGION"] = region
    module = import_module(command.module)
    if name != "run" and (log := sys.modules.get("chalicelib.foundation.log")):
        log.logger.setLevel("WARNING")
    code: int = module.main([*command.first, *arguments])
    return code


def _overview() -> str:
    """Return the commands, grouped by what operators do."""
    lines = ["usage: fairgate [--stage STAGE] [--region REGION] COMMAND ..."]
    for group, rows in groupby(_ROWS, key=lambda row: row.group):
        lines += ["", f"{group}:", *(f"  {row.name:<17} {row.summary}" for row in rows)]
    more = "`fairgate COMMAND --help` has the options and examples of a command; docs/command-line.md has all of them, and the exit codes."
    return "\n".join([*lines, "", more])


if __name__ == "__main__":
    sys.exit(main())
