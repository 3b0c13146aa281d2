"""What witnesses of a log have to be told."""

from __future__ import annotations

import io

from django.core.management import call_command

from compliance.log.notes import Verifier
from compliance.services.log_keys import log_signer


def test_the_key_that_is_printed_is_the_one_that_signs() -> None:
    said = io.StringIO()
    call_command("run_log", "--key", stdout=said)
    signer = log_signer()
    assert Verifier.decode(said.getvalue().strip()).encoded() == signer.verifier.encoded()
