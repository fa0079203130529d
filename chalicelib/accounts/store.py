"""Table `accounts`: accounts, their passwords by email address, and mailed links.

| id | content |
| --- | --- |
| `user#<user id>` | the account |
| `email#<address in lower case>` | the owner of the address and the hash of the password; an address has at most one account |
| `link#<SHA-256 of the token>` | a link in an email, or the challenge of a passkey, until it is used or expires |

The index `by_lane` lists accounts by address, for admins. Locked accounts, admins and promoters have one lane each. All other accounts have
one lane for each first character of an address, so that no single partition receives all registrations.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct, structs
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.accounts.model import Account, ChallengePurpose, Credentials, LinkPurpose, Passkey, email_key
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute

OLD_CREDENTIALS_ITEM = 1  # the index of the old credentials among the items of `change_email_items`
_AFTER_ALL = "\x7f"  # sorts after every character of an address

Group = Literal["locked", "admin", "promoter"]


class LaneIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_lane"
        projection = KeysOnlyProjection()

    lane = UnicodeAttribute(hash_key=True)
    email_key = UnicodeAttribute(range_key=True)


class AccountRow(dynamo.Table):
    """An account, with the fields of `Account`; `roles` are separated by spaces, and `lane` and `email_key` are derived."""

    feature = "accounts"
    contents = "Accounts, their passwords by address, and the links in emails."
    personal_data = dynamo.PersonalData("names, addresses and phone numbers", export="yes", erasure="deleted")

    id = UnicodeAttribute(hash_key=True)
    email = UnicodeAttribute()
    roles = UnicodeAttribute()
    created_at = NumberAttribute()
    first_name = UnicodeAttribute(null=True)
    last_name = UnicodeAttribute(null=True)
    phone = UnicodeAttribute(null=True)
    company = UnicodeAttribute(null=True)
    verified_at = NumberAttribute(null=True)
    locked_at = NumberAttribute(null=True)
    generation = NumberAttribute()
    totp_secret = UnicodeAttribute(null=True)
    totp_pending = UnicodeAttribute(null=True)
    totp_pending_until = NumberAttribute(null=True)
    totp_pending_generation = NumberAttribute(null=True)  # the account's generation when the secret was made
    totp_step = NumberAttribute(null=True)  # the last time step whose code was used
    recovery_hashes = UnicodeSetAttribute(null=True)  # the hashes of the unused recovery codes
    passkeys = StructAttribute(tuple[Passkey, ...], null=True)
    lane = UnicodeAttribute(null=True)
    email_key = UnicodeAttribute(null=True)
    lane_index = LaneIndex()


_ACCOUNT_EXISTS = AccountRow.id.exists()
_END_SESSIONS = AccountRow.generation.add(1)
_NO_APP = dict.fromkeys(("totp_secret", "totp_pending", "totp_pending_until", "totp_pending_generation", "totp_step"))
_NO_SECOND_FACTOR = {**_NO_APP, "recovery_hashes": None, "passkeys": None}


class CredentialsRow(dynamo.Table):
    feature = "accounts"

    id = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute()
    password_hash = UnicodeAttribute()


class MailedLinkRow(dynamo.Table):
    """A `MailedLink`. `user_id` is absent if the email has no link, because there is nothing to do for the address."""

    feature = "accounts"

    id = UnicodeAttribute(hash_key=True)
    purpose = UnicodeAttribute()
    email = UnicodeAttribute()
    user_id = UnicodeAttribute(null=True)
    generation = NumberAttribute(null=True)
    expires_at = NumberAttribute()
    ttl = NumberAttribute()


class MailedLink(Struct, frozen=True):
    """A link that was mailed to an address, or a challenge; `digest` is the SHA-256 of its token in hex.

    `generation` is the account's generation when the link was made. It is None if the link also works after the sessions have ended.
    """

    digest: str
    purpose: LinkPurpose
    email: str
    user_id: str | None
    expires_at: int
    generation: int | None = None

    @property
    def email_key(self) -> str:
        """The comparable form of the address."""
        return email_key(self.email)


def find_account(user_id: str) -> Account | None:
    """Return the account. Returns None if it does not exist. The read is strongly consistent."""
    row = AccountRow.find(f"user#{user_id}")
    return None if row is None else _account(row)


def query_lane(lane: str, limit: int, after: str, beginning: str) -> list[tuple[str, str]]:
    """Return (address, user id) of up to `limit` accounts in a lane, after the address `after`. Their addresses start with `beginning`.

    The lane is a group, or a `lane_without_group`. Addresses are in their comparable form and sorted. May miss writes from the last second.
    """
    first = max(beginning, f"{after} ") if after else beginning or " "  # a space sorts before every character of an address
    rows = AccountRow.lane_index.query(lane, AccountRow.email_key.between(first, beginning + _AFTER_ALL), limit=limit)
    return [(row.email_key, row.id.removeprefix("user#")) for row in rows]


def lane_without_group(beginning: str) -> str:
    """Return the lane of the accounts without a group whose addresses start with `beginning`."""
    return f"user#{beginning[0]}"


def batch_find(user_ids: Iterable[str]) -> list[Account]:
    """Return the accounts of the users who have an account, in any order. Makes one strongly consistent round trip per 100 users."""
    return [_account(row) for row in AccountRow.find_all(f"user#{user_id}" for user_id in user_ids)]


def find_credentials(address: str) -> Credentials | None:
    """Return the credentials of an email address. Returns None if the address has no account. The read is strongly consistent."""
    key = email_key(address)
    row = CredentialsRow.find(f"email#{key}")
    return None if row is None else Credentials(key, row.user_id, row.password_hash)


def create_items(account: Account, password_hash: str) -> list[dynamo.TransactItem]:
    """Return transaction items that create an account.

    The first item fails if the address has an account, and the second if the user has an account.
    """
    credentials = CredentialsRow(f"email#{email_key(account.email)}", user_id=account.user_id, password_hash=password_hash)
    row = AccountRow(
        f"user#{account.user_id}",
        **{name: getattr(account, name) for name in Account.__struct_fields__ if name not in ("user_id", "roles", "passkeys")},
        roles=" ".join(account.roles),
        **_index_fields(account),
    )
    return [dynamo.transact_put(credentials, CredentialsRow.id.does_not_exist()), dynamo.transact_put(row, AccountRow.id.does_not_exist())]


def delete_items(account: Account) -> list[dynamo.TransactItem]:
    """Return transaction items that delete an account. The transaction fails if the account is gone or has another address."""
    return [
        dynamo.transact_delete(CredentialsRow(f"email#{email_key(account.email)}"), CredentialsRow.user_id == account.user_id),
        dynamo.transact_delete(AccountRow(f"user#{account.user_id}"), _ACCOUNT_EXISTS),
    ]


def update_profile(user_id: str, changes: Mapping[str, Any]) -> Account | None:
    """Change fields of an account. None removes a value. Returns the updated account, or None if there is no account."""
    granted, row = dynamo.update_if_returning(AccountRow(f"user#{user_id}"), AccountRow.set_or_remove(changes), _ACCOUNT_EXISTS)
    return _account(row) if granted and row is not None else None


def set_rights_item(before: Account, after: Account, *, ends_sessions: bool = True) -> dynamo.TransactItem:
    """Return a transaction item that changes an account's roles and lock, or removes its second factor, and ends all of its sessions.

    The transaction fails if all sessions have been ended since `before` was read. Every change to the address, the password or the rights
    ends all sessions, except that people who make themselves promoters stay signed in (`ends_sessions` is False).
    """
    changes = {"roles": " ".join(after.roles), "locked_at": after.locked_at} | _index_fields(after)
    if before.has_second_factor and not after.has_second_factor:
        changes |= _NO_SECOND_FACTOR
    actions = [*AccountRow.set_or_remove(changes), *([_END_SESSIONS] if ends_sessions else [])]
    return dynamo.transact_update(AccountRow(f"user#{before.user_id}"), actions, AccountRow.generation == before.generation)


def set_pending_secret(account: Account, secret: str, until: int) -> bool:
    """Store a secret for which nobody has entered a code yet, and when it expires. Returns False if the account no longer exists.

    The secret becomes void if the sessions end after `account` was read.
    """
    changes = {"totp_pending": secret, "totp_pending_until": until, "totp_pending_generation": account.generation}
    return dynamo.update_if(AccountRow(f"user#{account.user_id}"), AccountRow.set_or_remove(changes), _ACCOUNT_EXISTS)


def set_second_factor_item(account: Account, step: int, recovery_hashes: set[str]) -> dynamo.TransactItem:
    """Return a transaction item that makes the pending secret the account's second factor, and ends all of the account's sessions.

    The transaction fails if there is another pending secret, or if the sessions have ended since `account` was read.
    """
    changes = _NO_APP | {"totp_secret": account.totp_pending, "totp_step": step, "recovery_hashes": recovery_hashes}
    is_same = (AccountRow.totp_pending == account.totp_pending) & (AccountRow.generation == account.generation)
    return dynamo.transact_update(AccountRow(f"user#{account.user_id}"), [*AccountRow.set_or_remove(changes), _END_SESSIONS], is_same)


def remove_app_item(account: Account, step: int | None, recovery_hash: str | None) -> dynamo.TransactItem:
    """Return a transaction item that removes an account's authenticator app, and uses up the code of `step` or `recovery_hash`, if any.

    The transaction fails if the code was used before, or if the app or the passkeys have changed since `account` was read. The other
    recovery codes stay if there are passkeys.
    """
    condition = _has_passkeys_of(account) & (AccountRow.totp_secret == account.totp_secret)
    actions = AccountRow.set_or_remove(_NO_APP if account.passkeys else _NO_SECOND_FACTOR)
    if step is not None:
        condition &= AccountRow.totp_step < step
    elif recovery_hash is not None:
        condition &= AccountRow.recovery_hashes.contains(recovery_hash)
        if account.passkeys:
            actions = [*actions, AccountRow.recovery_hashes.delete({recovery_hash})]
    return dynamo.transact_update(AccountRow(f"user#{account.user_id}"), actions, condition)


def set_passkeys_item(account: Account, passkeys: Sequence[Passkey], recovery_hashes: set[str] | None = None) -> dynamo.TransactItem:
    """Return a transaction item that replaces the passkeys of an account.

    Pass `recovery_hashes` if the account had no second factor: then all of its sessions end. Removing the last second factor also removes
    the recovery codes. The transaction fails if the passkeys have changed, or the sessions have ended, since `account` was read.
    """
    changes: dict[str, Any] = {"passkeys": tuple(passkeys) or None}
    if recovery_hashes is not None:
        changes["recovery_hashes"] = recovery_hashes
    elif not passkeys and account.totp_secret is None:
        changes = _NO_SECOND_FACTOR
    actions = [*AccountRow.set_or_remove(changes), *([] if recovery_hashes is None else [_END_SESSIONS])]
    condition = _has_passkeys_of(account) & (AccountRow.generation == account.generation)
    return dynamo.transact_update(AccountRow(f"user#{account.user_id}"), actions, condition)


def replace_passkey(account: Account, used: Passkey) -> bool:
    """Store the use of a passkey. Returns False if the passkeys have changed since `account` was read."""
    passkeys = tuple(used if passkey.id == used.id else passkey for passkey in account.passkeys)
    return _write_once(
        dynamo.transact_update(AccountRow(f"user#{account.user_id}"), [AccountRow.passkeys.set(passkeys)], _has_passkeys_of(account))
    )


def _has_passkeys_of(account: Account) -> Condition:
    return AccountRow.passkeys == account.passkeys if account.passkeys else _ACCOUNT_EXISTS & AccountRow.passkeys.does_not_exist()


def use_step(account: Account, step: int) -> bool:
    """Use up a time step of the authenticator app. Returns False if this step or a later step was used, or the secret has changed."""
    is_unused = (AccountRow.totp_secret == account.totp_secret) & (AccountRow.totp_step < step)
    return dynamo.update_if(AccountRow(f"user#{account.user_id}"), [AccountRow.totp_step.set(step)], is_unused)


def use_recovery_code(account: Account, recovery_hash: str) -> bool:
    """Use up a recovery code of the account. Returns False if the account has no such code."""
    has_code = AccountRow.recovery_hashes.contains(recovery_hash)
    return dynamo.update_if(AccountRow(f"user#{account.user_id}"), [AccountRow.recovery_hashes.delete({recovery_hash})], has_code)


def set_verified_item(account: Account, now: int) -> dynamo.TransactItem:
    """Return a transaction item that marks the account's address as verified. The transaction fails if the address has changed."""
    return dynamo.transact_update(
        AccountRow(f"user#{account.user_id}"), [AccountRow.verified_at.set(now)], AccountRow.email == account.email
    )


def end_sessions_item(user_id: str, *, verified_at: int | None = None, generation: int | None = None) -> dynamo.TransactItem:
    """Return a transaction item that ends all sessions of an account. With `verified_at`, it also marks the address as verified.

    The transaction fails if the account no longer exists or, with `generation`, has another generation.
    """
    actions = [_END_SESSIONS, *([] if verified_at is None else [AccountRow.verified_at.set(verified_at)])]
    condition = _ACCOUNT_EXISTS if generation is None else AccountRow.generation == generation
    return dynamo.transact_update(AccountRow(f"user#{user_id}"), actions, condition)


def change_email_items(account: Account, credentials: Credentials, email: str, now: int) -> list[dynamo.TransactItem]:
    """Return transaction items that give an account another address, mark this address as verified, and end all of the account's sessions.

    The first item fails if the new address has an account, the second if the password was changed or rehashed since `credentials` was read,
    and the third if the account's generation has changed since `account` was read.
    """
    new = CredentialsRow(f"email#{email_key(email)}", user_id=account.user_id, password_hash=credentials.password_hash)
    old = CredentialsRow(f"email#{credentials.email_key}")
    unchanged = (CredentialsRow.user_id == account.user_id) & (CredentialsRow.password_hash == credentials.password_hash)
    changes = {"email": email, "verified_at": now} | _index_fields(structs.replace(account, email=email))
    actions = [*AccountRow.set_or_remove(changes), _END_SESSIONS]
    return [
        dynamo.transact_put(new, CredentialsRow.id.does_not_exist()),
        dynamo.transact_delete(old, unchanged),
        dynamo.transact_update(AccountRow(f"user#{account.user_id}"), actions, AccountRow.generation == account.generation),
    ]


def set_password_item(key: str, user_id: str, password_hash: str) -> dynamo.TransactItem:
    """Return a transaction item that sets the password of an address. The transaction fails if the address is no longer this user's."""
    row, actions = CredentialsRow(f"email#{key}"), [CredentialsRow.password_hash.set(password_hash)]
    return dynamo.transact_update(row, actions, CredentialsRow.user_id == user_id)


def replace_hash(credentials: Credentials, password_hash: str) -> None:
    """Store another hash of the same password, unless the password was changed in the meantime."""
    row, actions = CredentialsRow(f"email#{credentials.email_key}"), [CredentialsRow.password_hash.set(password_hash)]
    dynamo.update_if(row, actions, CredentialsRow.password_hash == credentials.password_hash)


def put_link(link: MailedLink) -> None:
    _link_row(link).save()


def put_link_item(link: MailedLink) -> dynamo.TransactItem:
    return dynamo.transact_put(_link_row(link))


def _link_row(link: MailedLink) -> MailedLinkRow:
    return MailedLinkRow(
        f"link#{link.digest}",
        purpose=link.purpose,
        email=link.email,
        user_id=link.user_id,
        generation=link.generation,
        expires_at=link.expires_at,
        ttl=link.expires_at,
    )


def find_link(digest: str) -> MailedLink | None:
    """Return the link, which may have expired. Returns None if it does not exist. The read is strongly consistent."""
    row = MailedLinkRow.find(f"link#{digest}")
    if row is None:
        return None
    generation = None if row.generation is None else int(row.generation)
    return MailedLink(digest, msgspec.convert(row.purpose, LinkPurpose), row.email, row.user_id, int(row.expires_at), generation)


def use_link_item(link: MailedLink) -> dynamo.TransactItem:
    """Return a transaction item that uses up a link. The transaction fails if the link was already used."""
    return dynamo.transact_delete(MailedLinkRow(f"link#{link.digest}"), MailedLinkRow.id.exists())


def use_challenge(digest: str, purpose: ChallengePurpose, user_id: str, now: int, generation: int | None = None) -> bool:
    """Use up a challenge. Returns False if this purpose and user have no such challenge, or it has expired.

    With `generation`, the challenge must have been made for this generation of the account.
    """
    is_valid = (MailedLinkRow.purpose == purpose) & (MailedLinkRow.user_id == user_id) & (MailedLinkRow.expires_at > now)
    if generation is not None:
        is_valid &= MailedLinkRow.generation == generation
    return _write_once(dynamo.transact_delete(MailedLinkRow(f"link#{digest}"), is_valid))


def _write_once(item: dynamo.TransactItem) -> bool:
    """Write an item. Returns False if the write is refused, but True if the SDK repeats a write whose reply was lost."""
    try:
        dynamo.transact([item])
    except dynamo.ConditionFailed:
        return False
    return True


def _index_fields(account: Account) -> dict[str, Any]:
    key = email_key(account.email)
    if account.locked_at is not None:
        return {"lane": "locked", "email_key": key}
    special = next((role for role in ("admin", "promoter") if role in account.roles), None)
    return {"lane": special or lane_without_group(key), "email_key": key}


def _account(row: AccountRow) -> Account:
    return Account(
        user_id=row.id.removeprefix("user#"),
        email=row.email,
        roles=msgspec.convert(row.roles.split(), tuple[Any, ...]),
        created_at=int(row.created_at),
        first_name=row.first_name,
        last_name=row.last_name,
        phone=row.phone,
        company=row.company,
        verified_at=None if row.verified_at is None else int(row.verified_at),
        locked_at=None if row.locked_at is None else int(row.locked_at),
        generation=int(row.generation),
        totp_secret=row.totp_secret,
        totp_pending=row.totp_pending if row.totp_pending_generation == row.generation else None,
        totp_pending_until=None if row.totp_pending_until is None else int(row.totp_pending_until),
        passkeys=row.passkeys or (),
    )
