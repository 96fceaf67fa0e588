"""How a call to the provider, or a look at one of its tokens, can end without a good answer.

The four never mix: an outage is no denial, a denial no outage, and what we have set wrongly is
neither. None of them carries what was sent or received.
"""

from enum import StrEnum


class Problem(StrEnum):
    """Why the provider counts as unreachable."""

    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    #: Two calls of this process are on their way already.
    BUSY = "busy"
    #: It was unreachable a moment ago, and is not asked again before ``retry_at``.
    WAITING = "waiting"
    #: An answer of 500 or above, or the error ``server_error``.
    SERVER_ERROR = "server_error"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    RATE_LIMITED = "rate_limited"
    #: Not the JSON that was asked for: a page, a redirect, half an answer, one without end.
    MALFORMED = "malformed"


class Mistake(StrEnum):
    """What is set wrongly, here or at the provider: people can work on, somebody must act."""

    INVALID_CLIENT = "invalid_client"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    INVALID_REQUEST = "invalid_request"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    INVALID_REDIRECT_URI = "invalid_redirect_uri"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    REQUEST_NOT_SUPPORTED = "request_not_supported"
    #: An error that no standard knows.
    UNKNOWN_ERROR = "unknown_error"
    #: 401 from the userinfo endpoint that does not speak of the token.
    UNAUTHORIZED = "unauthorized"
    #: The userinfo endpoint signs its answers, which nobody here reads.
    SIGNED_USERINFO = "signed_userinfo"
    NO_PROVIDER = "no_provider"
    WRONG_ISSUER = "wrong_issuer"
    #: An address that is none, or not https.
    BAD_ADDRESS = "bad_address"
    MISSING_ENDPOINT = "missing_endpoint"


class Denial(StrEnum):
    """The provider's own word that this user is not, or no longer, signed in there."""

    INVALID_GRANT = "invalid_grant"
    LOGIN_REQUIRED = "login_required"
    INTERACTION_REQUIRED = "interaction_required"
    CONSENT_REQUIRED = "consent_required"
    ACCOUNT_SELECTION_REQUIRED = "account_selection_required"
    ACCESS_DENIED = "access_denied"
    #: The userinfo endpoint refuses the access token.
    INVALID_TOKEN = "invalid_token"  # noqa: S105 # nosec B105 - an error code
    #: Introspection says ``active: false``.
    INACTIVE = "inactive"


class Unreachable(Exception):  # noqa: N818 - it reads as what it tells
    """An outage: nothing was learnt about the user. ``retry_at`` is monotonic."""

    def __init__(self, problem: Problem, retry_at: float | None = None) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.retry_at = retry_at


class Misconfigured(Exception):  # noqa: N818 - it reads as what it tells
    """The provider is there and works, but not with what is set."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.value)
        self.mistake = mistake


class Denied(Exception):  # noqa: N818 - it reads as what it tells
    """The provider does not stand for this user any more."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.value)
        self.denial = denial


class InvalidToken(Exception):  # noqa: N818 - it reads as what it tells
    """A token that is not what it should be; ``code`` names the broken rule."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


Outcome = Unreachable | Misconfigured | Denied

_OUTAGES = {each.value: each for each in (Problem.SERVER_ERROR, Problem.TEMPORARILY_UNAVAILABLE)}
_DENIALS = {each.value: each for each in Denial if each is not Denial.INACTIVE}
_MISTAKES = {each.value: each for each in Mistake}


def outcome_of(error: object) -> Outcome:
    """Return what an ``error`` of OAuth or OpenID Connect means, in a body or in a callback.

    An empty one is a malformed answer, and one that no standard knows is never a denial.
    """
    if not isinstance(error, str) or not error:
        return Unreachable(Problem.MALFORMED)
    if error in _OUTAGES:
        return Unreachable(_OUTAGES[error])
    if error in _DENIALS:
        return Denied(_DENIALS[error])
    return Misconfigured(_MISTAKES.get(error, Mistake.UNKNOWN_ERROR))
