"""The error of a deployment."""


class DeploymentFailed(Exception):
    """A step failed, or the operator declined; the message names the reason and the remedy."""
