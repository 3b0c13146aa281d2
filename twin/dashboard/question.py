"""What a browser may ask a Dash page's callback. Dash trusts the body; anyone who is signed in can write one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from twin.errors import TwinError

LONGEST_BODY = 64 * 1024
TYPES: dict[str, type] = {"search": str, "n_intervals": int}  # of the properties that our callbacks listen to


class QuestionRefused(TwinError):
    """The dashboard was asked something that its page does not ask."""

    code = "question_refused"


class Output(msgspec.Struct):
    """A property that the callback fills."""

    id: str
    property: str


class Input(msgspec.Struct):
    """A property that the callback reads."""

    id: str
    property: str
    value: str | int | None = None


class Question(msgspec.Struct):
    """The part of Dash's request that our callbacks need; whatever else it holds is not passed on."""

    output: str
    outputs: list[Output]
    inputs: list[Input]
    changedPropIds: list[str] = []  # noqa: N815 (Dash's name)


def checked(body: bytes, callbacks: Mapping[str, Any]) -> bytes:
    """Return the question to pass on to Dash. callbacks: Dash's own table of the page's, by their outputs.

    Raises QuestionRefused.
    """
    try:
        question = msgspec.json.decode(body[: LONGEST_BODY + 1], type=Question)
    except (msgspec.DecodeError, RecursionError) as error:
        raise QuestionRefused("The dashboard's question could not be read.") from error
    named = "...".join(f"{part.id}.{part.property}" for part in question.outputs)
    if question.output not in callbacks or question.output != f"..{named}..":
        raise QuestionRefused
    wanted = [(one["id"], one["property"]) for one in callbacks[question.output]["inputs"]]
    if [(one.id, one.property) for one in question.inputs] != wanted:
        raise QuestionRefused
    if not all(isinstance(one.value, TYPES[one.property] | None) for one in question.inputs):
        raise QuestionRefused
    return msgspec.json.encode(question)
