"""Who somebody is at an event: the name and the role that those who manage it may see. Of buyers nothing is shown."""

from collections.abc import Collection, Iterable
from typing import Literal

from msgspec import Struct

from chalicelib.accounts import store as accounts
from chalicelib.accounts.members import store
from chalicelib.accounts.members.service import member_id
from chalicelib.accounts.model import Account

PersonRole = Literal["promoter", "coordinator", "staff", "admin"]


class Person(Struct, frozen=True):
    """`name` is the address of who has entered none. Of admins it is null. `role` is null for who works at the event no more."""

    name: str | None
    role: PersonRole | None


def find_people(event_id: str, promoter_id: str | None, user_ids: Iterable[str], former_ids: Collection[str] = ()) -> dict[str, Person]:
    """Those of the users who work at an event, by user id, and admins; two round trips for each 100 users.

    `former_ids`: of the users those who have worked there for certain, and may do so no more.
    """
    found = {account.user_id: account for account in accounts.batch_find(set(user_ids))}
    roles = store.batch_find_roles(event_id, {user_id: member_id(account.email) for user_id, account in found.items()})
    people: dict[str, Person] = {}
    for user_id, account in found.items():
        role: PersonRole | None = "promoter" if user_id == promoter_id else roles.get(user_id)
        if role is not None:
            people[user_id] = Person(_name(account), role)
        elif "admin" in account.roles:
            people[user_id] = Person(None, "admin")
        elif user_id in former_ids:
            people[user_id] = Person(_name(account), None)
    return people


def _name(account: Account) -> str:
    return " ".join(filter(None, (account.first_name, account.last_name))) or account.email
