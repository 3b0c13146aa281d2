"""Backend services of the FHIR API: register their public keys, and give tokens for their signed assertions.

Source: SMART App Launch 2.2, "Client authentication: asymmetric (public key)"; RFC 7523.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.db import IntegrityError, transaction

from compliance.errors import DomainError
from compliance.models import ApiToken, CareRelationship, EventCategory, FhirClient, SpentAssertion, User, Ward
from compliance.policy import Role
from compliance.services.events import record_event

LONGEST_ASSERTION = timedelta(minutes=5)
LEAST_RSA_BITS = 2048
MOST_KEYS = 5
JTI_LETTERS = 128
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
ALGORITHMS = {"EC": "ES384", "RSA": "RS384"}


class ClientRefused(DomainError):
    """This client cannot be registered."""

    code = "fhir_client_refused"


class AssertionRefused(DomainError):
    """The client assertion does not hold."""

    code = "assertion_refused"
    http_status = 401


def check_jwks(jwks: object) -> dict[str, Any]:
    """Return a key set with nothing but usable public keys. Raises ClientRefused."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= MOST_KEYS:
        raise ClientRefused(f'A key set looks like {{"keys": [...]}} with one to {MOST_KEYS} keys.')
    for key in keys:
        _check_key(key)
    if len({key["kid"] for key in keys}) != len(keys):
        raise ClientRefused("Two keys have the same kid.")
    return {"keys": keys}


def _check_key(key: object) -> None:
    if not isinstance(key, dict) or not isinstance(key.get("kid"), str) or not 0 < len(key["kid"]) <= 80:
        raise ClientRefused("Each key needs a kid.")
    if PRIVATE & set(key):
        raise ClientRefused("This is a private key: it must stay where it is. Send the public half, and replace it.")
    if not isinstance(_public_key(key), RSAPublicKey | EllipticCurvePublicKey):
        raise ClientRefused("Keys are RSA for RS384 or EC P-384 for ES384.")


def _public_key(key: dict[str, Any]) -> RSAPublicKey | EllipticCurvePublicKey | None:
    """Return the key if it is one that we take."""
    algorithm = ALGORITHMS.get(str(key.get("kty")))
    if algorithm is None:
        return None
    try:
        loaded = jwt.PyJWK.from_dict(key, algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(loaded, RSAPublicKey):
        return loaded if loaded.key_size >= LEAST_RSA_BITS else None
    fits = isinstance(loaded, EllipticCurvePublicKey) and isinstance(loaded.curve, SECP384R1)
    return loaded if fits else None


@transaction.atomic
def register_client(
    *,
    name: str,
    jwks: object,
    scopes: str,
    ward: Ward,
    role: Role,
    by: User,
    now: datetime,
    shares_outside: bool = False,
) -> FhirClient:
    """Register a backend service with a service account of its own, which nobody can sign in to.

    Raises ClientRefused when the keys are none or the name is taken.
    """
    checked = check_jwks(jwks)
    if not name.strip() or FhirClient.objects.filter(name=name).exists():
        raise ClientRefused("A client needs a name that no other has.")
    if role not in {Role.NURSE, Role.PHYSICIAN, Role.ADMINISTRATOR}:
        raise ClientRefused("A service account acts as nurse, physician or administrator.")
    account = User(username=f"service-{uuid.uuid4().hex[:12]}", first_name=name[:150], role=role.value)
    account.set_unusable_password()
    account.save()
    CareRelationship.objects.create(user=account, ward=ward, starts_at=now)
    client = FhirClient.objects.create(
        name=name,
        account=account,
        jwks=checked,
        scopes=scopes,
        shares_outside=shares_outside,
        registered_by=by,
        registered_at=now,
    )
    record_event(
        category=EventCategory.SECURITY,
        code="fhir_client_registered",
        message="A backend service was registered for the FHIR API.",
        user=by,
        ward_id=ward.pk,
        detail={"client": str(client.pk), "scopes": scopes, "role": role.value, "outside": shares_outside},
    )
    return client


@transaction.atomic
def revoke_client(*, client: FhirClient, by: User, now: datetime) -> None:
    """End a client, its account and its tokens at once."""
    if not FhirClient.objects.filter(pk=client.pk, revoked_at=None).update(revoked_at=now):
        return
    ApiToken.objects.filter(client=client, revoked_at=None).update(revoked_at=now)
    User.objects.filter(pk=client.account_id).update(is_active=False)
    record_event(
        category=EventCategory.SECURITY,
        code="fhir_client_revoked",
        message="A backend service was ended.",
        user=by,
        detail={"client": str(client.pk)},
    )


def client_of(assertion: str, *, audience: str, now: datetime) -> FhirClient:
    """Return the client that signed an assertion for `audience`, and use the assertion up. Raises AssertionRefused."""
    try:
        header = jwt.get_unverified_header(assertion)
        named = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
        client = FhirClient.objects.filter(pk=uuid.UUID(str(named)), revoked_at=None, account__is_active=True).first()
        if client is None:
            raise AssertionRefused
        claims = jwt.decode(
            assertion,
            _key_for(client, header),
            algorithms=[ALGORITHMS["EC"] if header.get("alg") == ALGORITHMS["EC"] else ALGORITHMS["RSA"]],
            audience=audience,
            issuer=str(client.pk),
            options={"require": ["exp", "iss", "sub", "aud", "jti"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise AssertionRefused from error
    _spend(client, claims, now)
    return client


def _key_for(client: FhirClient, header: dict[str, Any]) -> RSAPublicKey | EllipticCurvePublicKey:
    """Return the registered key that the header names; its type, not the header, decides the algorithm."""
    for key in client.jwks["keys"]:
        if key["kid"] == header.get("kid") and ALGORITHMS[key["kty"]] == header.get("alg"):
            public = _public_key(key)
            if public is not None:
                return public
    raise AssertionRefused


def _spend(client: FhirClient, claims: dict[str, Any], now: datetime) -> None:
    jti, expires = claims["jti"], int(claims["exp"])
    if claims["sub"] != claims["iss"] or not isinstance(jti, str) or not 0 < len(jti) <= JTI_LETTERS or "\0" in jti:
        raise AssertionRefused
    if not 0 < expires - now.timestamp() <= LONGEST_ASSERTION.total_seconds():
        raise AssertionRefused("An assertion lasts at most five minutes.")
    SpentAssertion.objects.filter(client=client, expires_at__lt=now - LONGEST_ASSERTION).delete()
    try:
        with transaction.atomic():
            until = datetime.fromtimestamp(expires, tz=UTC)
            SpentAssertion.objects.create(client=client, jti=jti, expires_at=until)
    except IntegrityError as error:
        raise AssertionRefused("This assertion was used before.") from error
