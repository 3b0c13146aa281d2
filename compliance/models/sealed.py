"""Fields that lie sealed in the database and read as what they are: opened when somebody looks, and kept on the row.

The database cannot compare, search or sort what is sealed, so every lookup, `update` and `bulk_update` of such a field
is refused with the words what to do instead; that is better than an answer that is quietly wrong.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, NoReturn, cast
from uuid import UUID

from django.core.exceptions import FieldError
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from compliance import subject_keys
from compliance.errors import SealedFieldAltered, SubjectErased
from compliance.models.keys import INDEX, house_key
from compliance.signals import sealed_field_refused

if TYPE_CHECKING:
    _Text = models.TextField[str, str]
    _Day = models.DateField[date | str, date]
    _Binary = models.BinaryField[bytes | None, bytes | None]
    _Char = models.CharField[str, str]
else:
    _Text = _Day = models.TextField
    _Binary, _Char = models.BinaryField, models.CharField


class Sealed(str):
    """What the database holds of a sealed field."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<sealed>"


class SubjectKeyField(_Binary):
    """The wrapped key of the person that a row is; made when the row is first saved, None once it was destroyed."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Make the key of a new person."""
        if not add:  # a row that was read before the key was destroyed must not bring it back
            return models.F(self.attname)
        key_of(model_instance, make=True)
        return super().pre_save(model_instance, add)


class _Opening(DeferredAttribute):
    """Opens a sealed value when it is first read. Raises SealedFieldAltered, SubjectErased."""

    field: Any

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if not isinstance(value, Sealed):
            return value
        try:
            opened = self.field.from_text(_open(instance, self.field.column, value))
        except SealedFieldAltered:
            sealed_field_refused.send(type(instance), row=instance, field=self.field.attname)
            raise
        instance.__dict__[self.field.attname] = opened
        return opened

    def __set__(self, instance: Any, value: Any) -> None:
        is_text = isinstance(value, str) and not isinstance(value, Sealed)
        instance.__dict__[self.field.attname] = self.field.from_text(value) if is_text else value


class _Sealing:
    """What sealed fields share."""

    name: str
    attname: str
    column: str

    descriptor_class = _Opening

    def from_text(self, text: str) -> Any:
        """Return the value that a text writes."""
        return text

    def from_db_value(self, value: str | None, _expression: object, _connection: object) -> Sealed | None:
        """Keep it sealed until somebody reads it."""
        return None if value is None else Sealed(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Sealed:
        """Seal what was set; what nobody opened goes back as it came."""
        value = model_instance.__dict__[self.attname]
        if isinstance(value, Sealed):
            return value
        place = (model_instance._meta.db_table, str(self.column), cast(UUID, model_instance.pk))
        return Sealed(subject_keys.seal_text(key_of(model_instance, make=add), str(value), *place))

    def get_prep_value(self, value: Any) -> Any:
        """Let sealed values alone through: `update` and `bulk_update` would write plain ones."""
        if value is not None and not isinstance(value, Sealed):
            raise TypeError(f"{self.name} is sealed: set it on the row and save() that.")
        return value

    def get_lookup(self, lookup_name: str) -> NoReturn:
        """Refuse: what is sealed cannot be searched."""
        raise FieldError(
            f"{self.name} is sealed and cannot be searched by the database: use compliance.selectors.identities."
        )

    def get_transform(self, lookup_name: str) -> NoReturn:
        """Refuse, for the same reason."""
        self.get_lookup(lookup_name)


class SealedTextField(_Sealing, _Text):  # type: ignore[misc]  # the mixin names what Django's class has
    """A text of the person that the row is."""


class SealedDateField(_Sealing, _Day):  # type: ignore[misc]
    """A day of the person that the row is."""

    def from_text(self, text: str) -> date:
        """Return the day that an ISO 8601 text writes. Raises ValueError."""
        return date.fromisoformat(text)


class BlindIndexField(_Char):
    """What finds a row by an exact value of a sealed field: a keyed hash of it, filled when that field is saved."""

    def __init__(self, *args: Any, source: str = "", **kwargs: Any) -> None:
        self.source = source
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Return what a migration writes down."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "source": self.source}

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Follow the field that it indexes."""
        value = model_instance.__dict__[self.source]
        if not isinstance(value, Sealed):
            setattr(model_instance, self.attname, blind_index(value))
        return super().pre_save(model_instance, add)


def blind_index(value: str) -> str:
    """Return what stands in the index for a record number."""
    return subject_keys.blind(house_key(INDEX), value)


def key_of(row: Any, *, make: bool = False) -> bytes:
    """Return the key of the person that a row is, opened once. Raises SubjectErased, SealedFieldAltered."""
    wrapped = row.subject_key
    known = row.__dict__.get("_opened_key")
    if known is not None and wrapped is not None and known[0] == bytes(wrapped):
        return cast(bytes, known[1])
    if wrapped is None:
        if not make:
            raise SubjectErased
        key = subject_keys.new_key()
        row.subject_key = wrapped = subject_keys.wrap(key, row.pk)
    else:
        key = subject_keys.unwrap(bytes(wrapped), row.pk)
    row.__dict__["_opened_key"] = (bytes(wrapped), key)
    return key


def _open(row: Any, column: str, value: Sealed) -> str:
    return subject_keys.open_text(key_of(row), value, row._meta.db_table, column, row.pk)
