"""mozilla-django-oidc's own tests hold with our classes, but for those listed here with a reason.

Each listed test fails, and in the way that its reason says. ``upstream/README.md`` tells where the
tests are from, and which of the suite are left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
UPSTREAM = Path(__file__).parent / "upstream"

BACKEND = "test_auth.OIDCAuthenticationBackendTestCase"
RS256 = "test_auth.OIDCAuthenticationBackendRS256With"
ES256 = "test_auth.OIDCAuthenticationBackendES256WithJwksEndpointTestCase"
REQUEST = "test_views.OIDCAuthorizationRequestViewTestCase"
CALLBACK = "test_views.OIDCAuthorizationCallbackViewTestCase"
LOGOUT = "test_views.OIDCLogoutViewTestCase"


class Difference(NamedTuple):
    """Why some tests cannot hold, how each of them ends, and which they are."""

    reason: str
    ends: str
    tests: tuple[str, ...]


DIFFERENCES = [
    Difference(
        "An ID token is read in full before anything is believed; the test's is the word 'token'.",
        "InvalidToken: malformed",
        (
            f"{BACKEND}.test_create_user_enabled",
            f"{BACKEND}.test_custom_update_user",
            f"{BACKEND}.test_custom_username_algo",
            f"{BACKEND}.test_custom_username_algo_dotted_path",
            f"{BACKEND}.test_dotted_username_algo_callback_with_claims",
            f"{BACKEND}.test_jwt_decode_params",
            f"{BACKEND}.test_jwt_decode_params_verify_false",
            f"{RS256}JwksEndpointTestCase.test_jwt_verify_sign_key_calls",
        ),
    ),
    Difference(
        "As above; and who is not admitted is told apart by exceptions, never by None.",
        "InvalidToken: malformed",
        (
            f"{BACKEND}.test_create_user_disabled",
            f"{BACKEND}.test_duplicate_emails_case_mismatch",
            f"{BACKEND}.test_duplicate_emails_exact",
        ),
    ),
    Difference(
        "A token that is not good raises InvalidToken, where upstream raises SuspiciousOperation.",
        "InvalidToken: malformed",
        (f"{BACKEND}.test_jwt_failed_nonce",),
    ),
    Difference(
        "Users are found by issuer and subject of the validated ID token, never by e-mail or "
        "username; the test puts a mock in the place of the validation, so that there is none.",
        "AttributeError: 'Backend' object has no attribute 'claims'",
        (
            f"{BACKEND}.test_successful_authentication_basic_auth_token",
            f"{BACKEND}.test_successful_authentication_existing_user",
            f"{BACKEND}.test_successful_authentication_existing_user_namespaced",
            f"{BACKEND}.test_successful_authentication_existing_user_upper_case",
            f"{BACKEND}.test_successful_authentication_new_user",
            f"{BACKEND}.test_failed_authentication_verify_claims",
        ),
    ),
    Difference(
        "A token endpoint's answer without an access token (the test misspells it) is no answer.",
        "Unreachable: malformed",
        (f"{BACKEND}.test_invalid_token",),
    ),
    Difference(
        "Keys come from the provider's key set alone, so that they can change; here it has none.",
        "Unreachable: malformed",
        (f"{RS256}KeyTestCase.test_jwt_verify_sign_key",),
    ),
    Difference(
        "A good signature (which is found to be one) is not enough: this token names no issuer.",
        "InvalidToken: issuer",
        (f"{ES256}.test_es256_alg_verification",),
    ),
    Difference(
        "A wrong setting is a system check (sessionmgr.E014), not an exception of a request.",
        "AssertionError: ImproperlyConfigured not raised",
        (f"{ES256}.test_es256_alg_misconfiguration",),
    ),
    Difference(
        "No signature by a shared secret is accepted (HS256), so that OIDC_RP_SIGN_ALGO is not "
        "read; what the tests call is not on our way from token to user.",
        "AttributeError: 'Backend' object has no attribute 'OIDC_RP_SIGN_ALGO'",
        (
            f"{BACKEND}.test_allowed_unsecured_invalid_token",
            f"{BACKEND}.test_allowed_unsecured_valid_token",
            f"{BACKEND}.test_disallowed_unsecured_invalid_token",
            f"{BACKEND}.test_disallowed_unsecured_token",
            f"{BACKEND}.test_disallowed_unsecured_valid_token",
        ),
    ),
    Difference(
        "Userinfo that is signed is refused: upstream reads it with neither audience nor nonce.",
        "Misconfigured: signed_userinfo",
        (
            f"{BACKEND}.test_get_userinfo_jwt_algorithm_mismatch",
            f"{BACKEND}.test_get_userinfo_jwt_invalid_signature",
            f"{BACKEND}.test_get_userinfo_jwt_with_charset",
            f"{BACKEND}.test_get_userinfo_jwt_with_rs256",
            f"{BACKEND}.test_get_userinfo_with_jwt_response",
        ),
    ),
    Difference(
        "An attempt is a row bound to the browser by a cookie, not an entry of the session: a "
        "state from elsewhere leads nowhere.",
        "AssertionError: Expected 'authenticate' to be called once",
        (
            f"{CALLBACK}.test_get_auth_failure_inactive_user",
            f"{CALLBACK}.test_get_auth_failure_nonexisting_user",
            f"{CALLBACK}.test_get_auth_success",
            f"{CALLBACK}.test_get_auth_success_next_url",
            f"{CALLBACK}.test_get_auth_success_without_pkce",
            f"{CALLBACK}.test_nonce_is_deleted",
            f"{CALLBACK}.test_session_refresh_doesnt_call_login_again",
        ),
    ),
    Difference(
        "As above: the session's own list of states is not ours to take from.",
        "AssertionError: True is not false",
        (f"{CALLBACK}.test_multiple_login_sessions",),
    ),
    Difference(
        "As above: an unknown state is answered with a page, not with an exception.",
        "AssertionError: SuspiciousOperation not raised",
        (f"{CALLBACK}.test_get_auth_failure_tampered_session_state",),
    ),
    Difference(
        "A failure is a page that says what to do (400), not a redirect to a page that does not.",
        "AssertionError: 400 != 302",
        (
            f"{CALLBACK}.test_get_auth_dirty_data",
            f"{CALLBACK}.test_get_auth_failure_missing_session_state",
        ),
    ),
    Difference(
        "An error that anybody can put into a link signs nobody out.",
        "AssertionError: Expected 'logout' to have been called once",
        (f"{CALLBACK}.test_get_auth_error",),
    ),
    Difference(
        "What is asked of the provider has a max_age, PKCE and 32 random bytes each of state and "
        "nonce, which no setting takes away, adds to or replaces.",
        "AssertionError: {",
        (
            f"{REQUEST}.test_get",
            f"{REQUEST}.test_get_namespaced",
            f"{REQUEST}.test_get_with_audience",
            f"{REQUEST}.test_get_with_overridden_extra_params",
            f"{REQUEST}.test_get_without_PKCE",
        ),
    ),
    Difference(
        "As above: the length of the PKCE verifier is no setting.",
        "AssertionError: OIDC_PKCE_CODE_VERIFIER_SIZE must be",
        (
            f"{REQUEST}.test_get_invalid_code_verifier_size_too_long",
            f"{REQUEST}.test_get_invalid_code_verifier_size_too_short",
        ),
    ),
    Difference(
        "Each attempt has its own next page, in its row; the session has none.",
        "AssertionError: False is not true",
        (f"{REQUEST}.test_next_url", f"{REQUEST}.test_missing_next_url"),
    ),
    Difference(
        "Signing out ends at the page that says so, by way of the provider if it can be reached.",
        "AssertionError: '/session/signed-out/?reason=signed_out&provider=untold' != ",
        (
            f"{LOGOUT}.test_get_anonymous_user",
            f"{LOGOUT}.test_post",
            f"{LOGOUT}.test_post_with_OIDC_OP_LOGOUT_URL_METHOD",
        ),
    ),
]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    """What was wrong with each test of the suite; "": nothing."""
    paths = (UPSTREAM / "suite", UPSTREAM, ROOT)
    environment = {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "DJANGO_SETTINGS_MODULE": "swapped_settings",
    }
    ran = subprocess.run(  # noqa: S603 - a program of the tests
        [sys.executable, "-W", "ignore", UPSTREAM / "run.py"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, str] = json.loads(ran.stdout)
    return found


def test_the_suite_is_that_of_the_release_in_use() -> None:
    assert (
        f"mozilla-django-oidc {version('mozilla-django-oidc')}"
        in (UPSTREAM / "README.md").read_text()
    ), "another release is installed: bring upstream/suite up to date"


def test_what_is_not_listed_holds(outcomes: dict[str, str]) -> None:
    listed = {test for each in DIFFERENCES for test in each.tests}
    wrong = {test: error for test, error in outcomes.items() if error and test not in listed}
    assert wrong == {}
    assert len(outcomes) > len(listed)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: each.tests[0].split(".")[-1])
def test_what_is_listed_differs_as_its_reason_says(
    outcomes: dict[str, str], difference: Difference
) -> None:
    ended = {test: outcomes.get(test, "not in the suite") for test in difference.tests}
    otherwise = {test: how for test, how in ended.items() if not how.startswith(difference.ends)}
    assert otherwise == {}, difference.reason
