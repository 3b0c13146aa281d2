"""Keys, and what lies sealed under them."""

from __future__ import annotations

from compliance.errors.root import DomainError


class SecretUnreadable(DomainError):
    """A stored secret could not be opened: the key is wrong or the bytes were changed."""

    code = "secret_unreadable"
    http_status = 500


class KeyWrong(DomainError):
    """A key is not the one that this database was sealed with."""

    code = "key_wrong"
    http_status = 500


class KeyNotFollowed(DomainError):
    """There is no former key to exchange for another."""

    code = "key_not_followed"
    http_status = 409


class SealedFieldAltered(DomainError):
    """A sealed field does not open: it was changed or moved in the database. Tell whoever runs the house."""

    code = "sealed_field_altered"
    http_status = 500


class SubjectErased(DomainError):
    """Who this was has been erased and cannot be read again."""

    code = "subject_erased"
    http_status = 404
