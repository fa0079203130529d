"""Advice about errors of AWS and of the store whose own texts do not say what to do."""

from botocore import exceptions

from chalicelib.foundation import settings

LOG_IN = "Log in to AWS (for example: aws sso login), or set AWS_PROFILE, then run the command again."
_NO_LOG_IN = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.ProfileNotFound,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
    exceptions.CredentialRetrievalError,
)
_NOT_ACCEPTED = (
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)


def advice(error: BaseException) -> str:
    """Return a sentence of advice, or an empty string if there is only the error's own text."""
    if isinstance(error, _NO_LOG_IN):
        return LOG_IN
    if isinstance(error, exceptions.EndpointConnectionError):
        return "Check the network, and that the region exists."
    if isinstance(error, exceptions.ClientError):
        code = error.response["Error"]["Code"]
        if code in _NOT_ACCEPTED:
            return LOG_IN
        if code == "ResourceNotFoundException":
            current = settings.current()
            return (
                f"Stage {current.stage} has no tables in {current.region}. Check FAIRGATE_STAGE and AWS_REGION, or deploy the stage first."
            )
    return ""


def store_failure(error: BaseException) -> str:
    """Describe a failure of the store and what to do, for commands that work on a stage's tables."""
    return f"the store failed: {str(error).rstrip('.')}. {advice(error) or 'Check the stage and the region, then run the command again.'}"
