"""A backend service of tests: its keys, its assertions, and how it asks for a token."""

from __future__ import annotations

import json
import time
import uuid
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

AUDIENCE = "http://testserver/fhir/token"
KEY = ec.generate_private_key(ec.SECP384R1())
OTHER_KEY = ec.generate_private_key(ec.SECP384R1())


def jwks(key=KEY, algorithm=ECAlgorithm, **changed) -> dict:
    public = json.loads(algorithm.to_jwk(key.public_key()))
    return {"keys": [public | {"kid": "one"} | changed]}


def assertion(service, *, key=KEY, algorithm="ES384", kid="one", **changed) -> str:
    claims = {
        "iss": str(service.pk), "sub": str(service.pk), "aud": AUDIENCE, "jti": uuid.uuid4().hex,
        "exp": int(time.time()) + 200,
    }  # fmt: skip
    return jwt.encode(claims | changed, key, algorithm=algorithm, headers={"kid": kid})


def ask(client, signed: str, scope: str = "system/Patient.rs"):
    return client.generic("POST", "/fhir/token", form(scope, signed), "application/x-www-form-urlencoded")


def form(scope: str, signed: str) -> str:
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    values = {"grant_type": "client_credentials", "scope": scope}
    return urlencode(values | {"client_assertion": signed, "client_assertion_type": kind})
