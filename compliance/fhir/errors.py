"""Everything that the FHIR API refuses, each with its HTTP status and the code of its OperationOutcome issue."""

from __future__ import annotations

from compliance.errors import DomainError


class FhirError(DomainError):
    """The request cannot be served."""

    code = "fhir_refused"
    issue = "processing"  # http://hl7.org/fhir/issue-type
    expression = ""  # FHIRPath of the element that is wrong

    def __init__(self, message: str = "", *, expression: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.expression = expression
        self.headers = headers or {}


class RequestWrong(FhirError):
    """The request is not understood."""

    code = "fhir_request_wrong"
    issue = "invalid"


class ParameterWrong(RequestWrong):
    """A search parameter is unknown here or its value cannot be read."""

    code = "fhir_parameter_wrong"
    issue = "value"


class NotSupported(RequestWrong):
    """This is not supported here; /fhir/metadata says what is."""

    code = "fhir_not_supported"
    issue = "not-supported"


class Unauthenticated(FhirError):
    """A bearer token is needed, or the one that was sent does not hold any longer."""

    code = "fhir_unauthenticated"
    http_status = 401
    issue = "login"


class Forbidden(FhirError):
    """This is not permitted: neither the person's rights nor the token's scopes may be missing."""

    code = "fhir_forbidden"
    http_status = 403
    issue = "forbidden"


class ResourceNotFound(FhirError):
    """There is nothing here that you may see."""

    code = "fhir_not_found"
    http_status = 404
    issue = "not-found"


class TypeUnknown(FhirError):
    """This resource type is not served here; /fhir/metadata lists what is."""

    code = "fhir_type_unknown"
    http_status = 404
    issue = "not-supported"


class MethodWrong(FhirError):
    """This interaction is not offered; /fhir/metadata says which are."""

    code = "fhir_method_wrong"
    http_status = 405
    issue = "not-supported"


class NotAcceptable(FhirError):
    """Answers are application/fhir+json; no other form is spoken here."""

    code = "fhir_not_acceptable"
    http_status = 406
    issue = "not-supported"


class Conflict(FhirError):
    """The request contradicts what is stored."""

    code = "fhir_conflict"
    http_status = 409
    issue = "conflict"


class Gone(FhirError):
    """This was here and is not kept any longer."""

    code = "fhir_gone"
    http_status = 410
    issue = "deleted"


class VersionMoved(FhirError):
    """The resource has changed since the version that If-Match names; read it again."""

    code = "fhir_version_moved"
    http_status = 412
    issue = "conflict"


class BodyTooLarge(FhirError):
    """The body is larger than this server takes."""

    code = "fhir_body_too_large"
    http_status = 413
    issue = "too-long"


class MediaTypeWrong(FhirError):
    """Bodies must be application/fhir+json in UTF-8."""

    code = "fhir_media_type_wrong"
    http_status = 415
    issue = "not-supported"


class ResourceWrong(FhirError):
    """The resource is understood but breaks a rule."""

    code = "fhir_resource_wrong"
    http_status = 422
    issue = "business-rule"


class TooCostly(ResourceWrong):
    """The search would have to look at too much; narrow it."""

    code = "fhir_too_costly"
    issue = "too-costly"


class TooManyRequests(FhirError):
    """This token asks too often; wait as long as Retry-After says."""

    code = "fhir_too_many_requests"
    http_status = 429
    issue = "throttled"


class Broken(FhirError):
    """Something went wrong on our side; it was logged."""

    code = "fhir_broken"
    http_status = 500
    issue = "exception"
