"""The error of a deployment."""


class DeploymentFailed(Exception):
    """A step failed, or somebody said no; the message says why and what to do."""
