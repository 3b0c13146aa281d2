"""The kick-off: what may be asked, and whether it may be asked by this request."""

from __future__ import annotations

from datetime import datetime

from compliance.fhir.access import Access
from compliance.fhir.cursor import Pairs
from compliance.fhir.errors import (
    Forbidden,
    NotSupported,
    ParameterWrong,
    RequestWrong,
    ResourceNotFound,
    TooManyRequests,
)
from compliance.fhir.registry import ResourceType, registered, type_named
from compliance.fhir.scopes import Context, contexts_for
from compliance.models import BulkExport, ExportLevel, Ward
from compliance.selectors import scope_for
from compliance.services.exports import KEEP, TooManyExports, start_export

ACTION = "compliance.export_bulk"
NDJSON = {"application/fhir+ndjson", "application/ndjson", "ndjson"}


def kick_off(access: Access, level: ExportLevel, pairs: Pairs, *, request: str, ward_id: int | None) -> BulkExport:
    """Store an export as asked. Raises FhirError."""
    require_right(access, level, ward_id)
    require_proof(access)
    asked = _read(pairs)
    export = BulkExport(
        user=access.user,
        token_id=access.token_id,
        by_token=access.scopes is not None,
        scopes=" ".join(str(scope) for scope in access.scopes or ()),
        base=access.base,
        request=request[:1000],
        level=level,
        ward_id=ward_id,
        types=_types(access, asked.get("_type", "")),
        since=_moment(asked.get("_since", "")),
        started_at=access.now,
        expires_at=access.now + KEEP,
    )
    try:
        return start_export(export)
    except TooManyExports as error:
        raise TooManyRequests(error.message, headers={"Retry-After": "60"}) from error


def require_right(access: Access, level: str, ward_id: int | None) -> None:
    """Raise Forbidden unless the person may export, and ResourceNotFound for a ward that is not theirs."""
    reach = scope_for(access.user, ACTION, once_confirmed=True)
    if reach.empty:
        raise Forbidden
    if level == ExportLevel.GROUP and (ward_id not in reach.ward_ids or not Ward.objects.filter(pk=ward_id).exists()):
        raise ResourceNotFound


def require_proof(access: Access) -> None:
    """Raise Forbidden where the policy asks for a fresh second factor before many records leave at once.

    It is asked at the kick-off, which the files then follow: whoever fetches them a quarter of an hour later has the
    right still, and proved once who they are.
    """
    if scope_for(access.user, ACTION).confirm:
        raise Forbidden(
            "An export needs a second factor from the last five minutes: confirm it in the browser. A token brings the"
            " proof that it was made with."
        )


def permitted(access: Access, kind: ResourceType) -> bool:
    """Tell whether a request may export a type: a client needs system scopes, a person the right to read it."""
    if access.scopes is not None and not all(
        Context.SYSTEM in contexts_for(access.scopes, kind.name, letter) for letter in "rs"
    ):
        return False
    return not scope_for(access.user, kind.action).empty


def _read(pairs: Pairs) -> dict[str, str]:
    """Return the parameters, each once; what is not supported is refused, since leaving it out would export more."""
    asked: dict[str, str] = {}
    for name, value in pairs:
        if name not in {"_type", "_since", "_outputFormat", "_format"}:
            raise NotSupported(f"$export takes _type, _since and _outputFormat here, and not {name[:40]!r}.")
        if name == "_type" and name in asked:
            value = f"{asked[name]},{value}"
        asked[name] = value
    if asked.get("_outputFormat", "ndjson").replace(" ", "+") not in NDJSON:
        raise NotSupported("Files are application/fhir+ndjson; no other _outputFormat is written.")
    return asked


def _types(access: Access, names: str) -> list[str]:
    if not names:
        found = [kind.name for kind in registered().values() if kind.exported and permitted(access, kind)]
        if not found:
            raise Forbidden("Nothing may be exported with this: a client needs scopes such as system/Patient.rs.")
        return found
    wanted = [type_named(name) for name in dict.fromkeys(names.split(",")) if name]
    if not wanted:
        raise ParameterWrong("_type names resource types, such as Patient,Observation.")
    for kind in wanted:
        if not kind.exported or not permitted(access, kind):
            raise Forbidden(f"{kind.name} may not be exported with this: a client needs system/{kind.name}.rs.")
    return [kind.name for kind in wanted]


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise ParameterWrong("_since is an instant, such as 2026-01-31T08:00:00Z.") from None
    if found.tzinfo is None:
        raise RequestWrong("_since needs a time zone, such as 2026-01-31T08:00:00Z.")
    return found
