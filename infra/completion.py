"""`fairgate completion SHELL`: write the script with which a shell completes the commands of `fairgate` and their options."""

from argparse import ArgumentParser
from collections.abc import Sequence

from infra import cli

SHELLS = ("bash", "zsh", "fish")


def main(argv: Sequence[str] | None = None) -> int:
    shell = parser().parse_args(argv).shell
    import shtab

    print(shtab.complete(_all_commands(), shell))
    return 0


def parser() -> ArgumentParser:
    parser = ArgumentParser(prog="fairgate completion", description="Write a shell's completion script to standard output.")
    parser.add_argument("shell", choices=SHELLS, help="shell that runs the script")
    return parser


def _all_commands() -> ArgumentParser:
    """Return one parser with the options of all commands. Importing the modules of all commands takes seconds."""
    root = ArgumentParser(prog="fairgate")
    root.add_argument("--stage", help="stage to work on")
    root.add_argument("--region", help="AWS region of the stage")
    commands = root.add_subparsers()
    for name, command in cli.COMMANDS.items():
        commands.add_parser(name, help=command.summary, parents=[cli.load_parser(name)], add_help=False)
    commands.add_parser("help", help="list the commands").add_argument("command", nargs="?", choices=list(cli.COMMANDS))
    return root
