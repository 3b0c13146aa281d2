"""Second factors as they come from a form: a typed code, or what a passkey signed."""

from __future__ import annotations

from typing import Any, cast

from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm
from allauth.mfa.webauthn.internal.auth import complete_registration, parse_registration_response
from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from compliance.errors import DomainError, SecondFactorWrong
from compliance.models import User
from compliance.services.guessing import forget_failures
from compliance.services.second_factor import check_code, note_failure, note_proof, refuse_when_locked

PASSKEY_REFUSED = "That passkey was not accepted. Unlock it with your finger, face or PIN, or use another way."


class SignInCodeForm(forms.Form):
    """A code from the app, or a recovery code."""

    code = forms.CharField(max_length=40)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user, self.kind = user, ""

    def clean_code(self) -> str:
        """Check the code and use it up."""
        code = str(self.cleaned_data["code"])
        try:
            self.kind = check_code(context.request, user=self.user, code=code)
        except DomainError as error:
            raise ValidationError(error.message) from error
        return code

    def save(self) -> None:
        """Note the proof in the session."""
        note_proof(context.request, self.user, self.kind)


class PasswordForm(forms.Form):
    """The old password and the new one."""

    old = forms.CharField(max_length=200, strip=False)
    new = forms.CharField(max_length=200, strip=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_old(self) -> str:
        """Check the old password through the backends, so that guesses are counted."""
        old = str(self.cleaned_data["old"])
        if authenticate(context.request, username=self.user.username, password=old) != self.user:
            raise ValidationError("That is not your password.")
        return old

    def clean_new(self) -> str:
        """Hold the new password to the rules."""
        new = str(self.cleaned_data["new"])
        validate_password(new, self.user)
        return new


class NewPasskeyForm(forms.Form):
    """What the browser made, and the name that the person gives it."""

    name = forms.CharField(required=False, max_length=200)
    credential = forms.JSONField()

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_credential(self) -> dict[str, Any]:
        """Check the challenge, the origin, and that the person unlocked the passkey while it was made."""
        credential = self.cleaned_data["credential"]
        try:
            parse_registration_response(credential)
            made = complete_registration(credential)
        except (ValidationError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValidationError(PASSKEY_REFUSED) from error
        if not made.is_user_verified():
            raise ValidationError(PASSKEY_REFUSED)
        return cast(dict[str, Any], credential)


class SignInPasskeyForm(AuthenticateWebAuthnForm):  # type: ignore[misc]
    """What a passkey of this person signed."""

    def clean_credential(self) -> Authenticator:
        """Check the signature, the challenge, the origin and that the person unlocked the passkey."""
        try:
            refuse_when_locked(context.request, self.user)
            authenticator = super().clean_credential()
        except DomainError as error:
            raise ValidationError(error.message) from error
        except (ValidationError, ValueError, TypeError, KeyError, AttributeError) as error:
            note_failure(context.request, self.user, SecondFactorWrong())
            raise ValidationError(PASSKEY_REFUSED) from error
        forget_failures(self.user)
        return cast(Authenticator, authenticator)
