"""The callers of the API, for this package's resources."""

from tests.compliance.fhir.conftest import nurse, token_of

__all__ = ["nurse", "token_of"]
