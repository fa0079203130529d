"""`fairgate admin EMAIL`: make a person an admin of the stage that the environment names. HTTP requests cannot do this.

If the address has no account, the command creates one and asks for its password, or reads the password from standard input if that is
not a terminal. With `--remove-second-factor`, the account's next sign-in needs only its password: for admins who have lost their
authenticator app and their recovery codes.
"""

import getpass
import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import redirect_stdout

import msgspec
from msgspec import Struct

from bootstrap import aws_stage
from bootstrap.aws_errors import store_failure
from bootstrap.output import Output, add_json_option
from chalicelib.accounts import directory, factors, service
from chalicelib.accounts.directory import RightsChange
from chalicelib.accounts.model import MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH, Account, CommonPassword, Email, NewPassword
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, ids, settings
from infra import cli


class NotPossible(Exception):
    """The admin was not created; the message names the reason."""


class WrongInput(Exception):
    """The text is not an email address; the message quotes it."""


class MadeAdmin(Struct, frozen=True):
    """The account that is now an admin of a stage, whether the command `created` it, and whether its second factor was removed."""

    stage: str
    email: str
    user_id: str
    created: bool
    second_factor_removed: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Create the admin and print the result. Returns the exit status: 0, 1 after a failure, or 2 for wrong arguments or settings."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as parser_exit:
        return int(parser_exit.code or 0)
    output = Output("admin", arguments.json)
    # Log lines go to standard error, so that standard output holds only the result.
    try:
        aws_stage.require(os.environ)
        email = _read_address(arguments.email)
        with redirect_stdout(sys.stderr):
            admin, sentence = _make_admin(email, removes_second_factor=arguments.remove_second_factor)
    except (WrongInput, settings.SettingsError) as error:
        return output.print_failure(str(error), 2)
    except NotPossible as error:
        return output.print_failure(str(error), 1)
    except dynamo.STORE_ERRORS as error:
        return output.print_failure(store_failure(error), 1)
    output.print_result(admin, [sentence])
    return 0


def parser() -> ArgumentParser:
    parser = ArgumentParser(prog="fairgate admin", description="Make a person an admin; see docs/accounts.md.")
    parser.add_argument("email", help="email address of the person")
    parser.add_argument(
        "--remove-second-factor", action="store_true", help="remove the person's second factor, so that the password is enough to sign in"
    )
    add_json_option(parser)
    return parser


def _read_address(text: str) -> str:
    try:
        return msgspec.convert(text, Email)
    except msgspec.ValidationError:
        raise WrongInput(f"{text!r} is not an email address such as ada@example.com") from None


def _make_admin(email: str, *, removes_second_factor: bool) -> tuple[MadeAdmin, str]:
    """Give the address the role. Returns what was done, also as a sentence for the operator."""
    stage, actor = settings.current().stage, f"command:{getpass.getuser()}"
    _, existing = service.find_login(email)
    if existing is not None and existing.verified_at is None:  # somebody else may have registered the address
        raise NotPossible(f"the address of the account {email} is not verified; its owner verifies it with the link in the email")
    if existing is None:
        account = Account(user_id=ids.new_id(), email=email, roles=("user",), created_at=clock.now(), verified_at=clock.now())
        service.create_account(account, _read_password(email))
        service.add_role(email, "admin", actor, clock.now())
        return MadeAdmin(
            stage, email, account.user_id, True, False
        ), f"Created an account for {email} and made it an admin of stage {stage}."
    service.add_role(email, "admin", actor, clock.now())
    made = MadeAdmin(stage, email, existing.user_id, False, removes_second_factor)
    if removes_second_factor:
        directory.change_rights(existing.user_id, RightsChange(removes_second_factor=True), actor, clock.now(), lambda *_: [])
        return made, f"{email} is an admin of stage {stage} and needs only the password for the next sign-in. Existing sessions have ended."
    return made, f"{email} is now an admin of stage {stage}. Existing sessions have ended; a new sign-in has the role."


def _read_password(email: str) -> str:
    if sys.stdin.isatty():
        password = getpass.getpass(f"Password for {email}: ")
        if getpass.getpass("Again: ") != password:
            raise NotPossible("the two passwords differ")
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        factors.refuse_common(msgspec.convert(password, NewPassword), email)
    except msgspec.ValidationError:
        raise NotPossible(f"a password must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters") from None
    except CommonPassword as error:
        raise NotPossible(error.message) from None
    return password


if __name__ == "__main__":
    sys.exit(cli.main(["admin", *sys.argv[1:]]))
