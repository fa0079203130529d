"""Small makers of the things that tests are about."""

from chalicelib.edge import auth


def token(user_id: str = "ada", *roles: auth.Role) -> str:
    """An access token; a plain user unless roles are named."""
    return auth.issue_token(user_id, {"user", *roles}, seconds=86_400)


def admin_token() -> str:
    return token("root", "admin")
