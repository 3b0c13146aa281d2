"""Whatever is changed in a bundle is noticed, and whatever is no bundle is refused in one sentence."""

from __future__ import annotations

import contextlib
import copy
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.log.notes import WITNESS_KEY
from compliance.verify.__main__ import main
from tests.compliance.verify.house import LOG, ORIGIN, STRANGER, WITNESSES, Tree, b64, signer

TREE, OTHER = Tree(13), Tree(21)
GOOD = TREE.bundle([2, 3, 7], 13, old=5)
KEYS = "# kept from before\n\n" + "\n".join(s.verifier.encoded() for s in (LOG, *WITNESSES))


@pytest.fixture
def verify(tmp_path, capsys):
    """Return `verify(bundle, ...)`: run the verifier over files and return (status, what it printed)."""

    def run(bundle, *more, keys: str | None = KEYS, old: str | None = None):
        path = tmp_path / "bundle.json"
        if isinstance(bundle, bytes):
            path.write_bytes(bundle)
        else:
            path.write_text(bundle if isinstance(bundle, str) else json.dumps(bundle))
        arguments = [str(path), *more]
        for name, text in (("keys", keys), ("old", old)):
            if text is not None:
                (tmp_path / name).write_text(text)
                arguments += [f"--{name}", str(tmp_path / name)]
        capsys.readouterr()
        status = main(arguments)
        out, err = capsys.readouterr()
        assert not err
        return status, out

    return run


def changed(**changes) -> dict:
    return {**copy.deepcopy(GOOD), **changes}


def test_a_good_bundle_holds(verify) -> None:
    status, out = verify(GOOD)
    assert (status, out.splitlines()[-1]) == (0, "All holds.")
    assert "broken" not in out.lower()
    assert "2 independent witnesses stand behind" in out


def test_without_keys_the_verifier_says_whose_word_it_took(verify) -> None:
    status, out = verify(GOOD, keys=None)
    assert status == 0
    assert "own word" in out
    assert out.splitlines()[-1] == "All holds, if the keys are right."


def _drop(name):
    return lambda entry: {key: value for key, value in entry.items() if key not in name}


ENTRIES = GOOD["entries"]
SWAPPED = [{**ENTRIES[0], "salt": ENTRIES[1]["salt"]}, {**ENTRIES[1], "salt": ENTRIES[0]["salt"]}, ENTRIES[2]]


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [
        (changed(entries=ENTRIES[:2]), "count"),
        (changed(entries=[*ENTRIES, ENTRIES[-1]], count=4), "entry_twice"),
        (changed(entries=ENTRIES[::-1]), "order"),
        (changed(entries=[], count=0), "nothing"),
        (changed(entries=SWAPPED), "commitment"),
        (changed(entries=[{**ENTRIES[0], "proof": ENTRIES[0]["proof"][:-1]}, *ENTRIES[1:]]), "proof"),
        (changed(entries=[{**ENTRIES[0], "proof": []}, *ENTRIES[1:]]), "proof"),
        (changed(entries=[{**ENTRIES[0], "index": 1}, *ENTRIES[1:]]), "proof"),
        (changed(entries=[{**ENTRIES[0], "index": 13}, *ENTRIES[1:]]), "proof"),
        (changed(checkpoint=OTHER.note(21)), "proof"),
        (changed(checkpoint=TREE.note(13, log=signer(ORIGIN, 1, 9))), "log_signature"),
        (changed(checkpoint=TREE.note(13, origin="log.example/other")), "log_unknown"),
        (changed(checkpoint=TREE.note(13, witnesses=())), "quorum"),
        (changed(checkpoint=TREE.note(13, witnesses=(WITNESSES[0],))), "quorum"),
        (changed(checkpoint=TREE.note(13, witnesses=(WITNESSES[0], WITNESSES[0]))), "quorum"),
        (changed(checkpoint=TREE.note(13, witnesses=(WITNESSES[0], STRANGER))), "quorum"),
        (changed(checkpoint="nothing"), "checkpoint_unreadable"),
        (changed(checkpoint=GOOD["checkpoint"].replace("\n13\n", "\n" + "9" * 5000 + "\n")), "checkpoint_unreadable"),
        (changed(about={"patient": "somebody else"}), "about"),
        (changed(about={"event": 2}), "about"),
        (changed(about={"from": "2026-01-01T00:00:03+00:00"}), "about"),
        (changed(about={"first": 2, "last": 7}), "stretch"),
        (changed(about={"first": 0, "last": 1 << 62}), "stretch"),
        (changed(earlier={**GOOD["earlier"], "proof": GOOD["earlier"]["proof"][1:]}), "consistency"),
        (changed(earlier={**GOOD["earlier"], "checkpoint": Tree(4).note(4)}), "consistency"),
        (changed(earlier={**GOOD["earlier"], "checkpoint": ""}), "earlier_unreadable"),
    ],
)
def test_each_tampering_is_named(verify, bundle, reason) -> None:
    status, out = verify(bundle)
    assert status == 1
    assert reason in out.splitlines()[-1].removeprefix("Something is wrong: ").rstrip(".").split(", "), out


def test_one_key_under_two_names_is_one_witness(verify) -> None:
    twin = signer("twin.example", WITNESS_KEY, 1)
    bundle = changed(checkpoint=TREE.note(13, witnesses=(WITNESSES[0], twin)))
    status, out = verify(bundle, keys=f"{KEYS}\n{twin.verifier.encoded()}")
    assert (status, "quorum" in out.splitlines()[-1]) == (1, True)


def test_the_log_cannot_be_its_own_witness(verify) -> None:
    own = signer("me.example", WITNESS_KEY, 0)
    bundle = changed(checkpoint=TREE.note(13, witnesses=(WITNESSES[0], own)))
    assert verify(bundle, keys=f"{KEYS}\n{own.verifier.encoded()}")[0] == 1


def test_a_witness_that_the_outsider_does_not_know_is_told_and_not_counted(verify) -> None:
    status, out = verify(changed(checkpoint=TREE.note(13, witnesses=(*WITNESSES, STRANGER))))
    assert status == 0
    assert "Not counted: a signature by stranger.example" in out
    assert verify(changed(checkpoint=TREE.note(13, witnesses=(*WITNESSES, STRANGER))), "--quorum", "3")[0] == 1


def test_records_that_are_gone_leave_the_proof_and_are_told(verify) -> None:
    bundle = changed(entries=[_drop({"salt", "record"})(entry) for entry in ENTRIES])
    status, out = verify(bundle)
    assert (status, out.count("without its record")) == (0, 3)


def test_a_whole_stretch_is_proved_to_be_whole(verify) -> None:
    assert verify(TREE.bundle([4, 5, 6], 13, first=4, last=6))[0] == 0
    status, out = verify({**TREE.bundle([4, 6], 13, first=4, last=6)})
    assert (status, "stretch" in out.splitlines()[-1]) == (1, True)


def test_a_checkpoint_that_the_outsider_kept_must_be_the_beginning(verify) -> None:
    assert verify(GOOD, old=TREE.note(5))[0] == 0
    assert verify(GOOD, old=TREE.note(13))[0] == 0
    for kept, reason in (
        (TREE.note(6), "no_consistency"),
        (OTHER.note(14), "older_than_kept"),
        (TREE.note(5, log=STRANGER), "log_signature"),
        ("no note", "earlier_unreadable"),
    ):
        status, out = verify(GOOD, old=kept)
        assert (status, reason in out.splitlines()[-1]) == (1, True), out


def test_a_history_that_was_rewritten_below_the_kept_checkpoint_is_noticed(verify) -> None:
    forged = Tree(13, first_code="dose_withheld").bundle([2, 3, 7], 13, old=5)
    assert verify(forged)[0] == 0, "signed anew with everybody's keys it stands for itself"
    status, out = verify(forged, old=TREE.note(5))
    assert (status, "consistency" in out.splitlines()[-1]) == (1, True)


# --- Anything changed, anywhere ---------------------------------------------------------------------------------------


def _places(value, path=()):
    """Yield the path of every text and number in a bundle."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _places(item, (*path, place))
    else:
        yield path


def _at(bundle, path):
    for step in path[:-1]:
        bundle = bundle[step]
    return bundle


SOURCE = TREE.bundle([2, 3, 7], 13, old=5, patient="6f1d1f6e-0000-4000-8000-000000000001")
PATHS = list(_places(SOURCE))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_flip_anywhere_fails_or_is_told(tmp_path_factory, data) -> None:
    bundle = copy.deepcopy(SOURCE)
    path = data.draw(st.sampled_from(PATHS))
    holder = _at(bundle, path)
    before = holder[path[-1]]
    if isinstance(before, int):
        holder[path[-1]] = before ^ 1 << data.draw(st.integers(0, 40))
    else:
        place = data.draw(st.integers(0, len(before) - 1))
        char = data.draw(st.characters(min_codepoint=1, max_codepoint=255).filter(lambda c: c != before[place]))
        holder[path[-1]] = before[:place] + char + before[place + 1 :]
    assert _report(bundle, tmp_path_factory) != _report(SOURCE, tmp_path_factory), path
    if path[0] != "keys":  # the keys are the outsider's own; what the bundle says of them is told
        assert _report(bundle, tmp_path_factory)[0] != 0, path


def _report(bundle, folders) -> tuple[int, str]:
    folder = folders.getbasetemp()
    (folder / "b.json").write_text(json.dumps(bundle))
    (folder / "k").write_text(KEYS)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = main([str(folder / "b.json"), "--keys", str(folder / "k")])
    return status, out.getvalue()


# --- What is no bundle ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"format": NaN}',
        b'{"format": 1, "format": 1}',
        b"9" * 5000,
        json.dumps(changed(count=float("inf"))).encode(),
        json.dumps(changed(count=True)).encode(),
        json.dumps(changed(count=-1)).encode(),
        json.dumps(changed(count=1e3)).encode(),
        json.dumps(changed(extra=1)).encode(),
        json.dumps(changed(format="medtwin-proofs/2")).encode(),
        json.dumps(changed(entries={})).encode(),
        json.dumps(changed(entries=[1])).encode(),
        json.dumps(changed(entries=[{**ENTRIES[0], "proof": [b64(bytes(32))] * 65}])).encode(),
        json.dumps(changed(entries=[_drop({"salt"})(ENTRIES[0])])).encode(),
        json.dumps(changed(entries=[{**ENTRIES[0], "salt": "AA=="}])).encode(),
        json.dumps(changed(entries=[{**ENTRIES[0], "record": "\ud800"}])).encode(),
        json.dumps(changed(about={"from": "yesterday"})).encode(),
        json.dumps(changed(about={"from": "2026-01-01"})).encode(),
        json.dumps(changed(about={"first": 1})).encode(),
        json.dumps(changed(checkpoint="\ud800")).encode(),
        json.dumps(changed(keys={"log": "x", "witnesses": []})).encode(),
        json.dumps(changed(keys={**GOOD["keys"], "log": GOOD["keys"]["witnesses"][0]})).encode(),
        json.dumps(changed(keys={**GOOD["keys"], "witnesses": [GOOD["keys"]["log"]]})).encode(),
        json.dumps(changed(earlier=[])).encode(),
    ],
)
def test_what_is_no_bundle_is_refused_in_one_sentence(verify, raw) -> None:
    status, out = verify(raw)
    assert status == 2
    assert out.startswith("Cannot be read: ")
    assert len(out.splitlines()) == 1


def test_files_that_are_absent_or_too_large_are_refused(verify, tmp_path, capsys, monkeypatch) -> None:
    assert main([str(tmp_path / "nothing")]) == 2
    assert main([str(tmp_path)]) == 2
    assert verify(GOOD, keys="not a key")[0] == 2
    monkeypatch.setattr("compliance.verify.strict.read_text.__defaults__", (1000,))
    assert "larger than" in verify(GOOD)[1]


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=10,
    ),
    st.sampled_from([("about",), ("count",), ("checkpoint",), ("keys",), ("entries",), ("earlier",), ("entries", 0)]),
)
def test_any_json_in_any_place_is_answered_and_never_raises(tmp_path_factory, value, path) -> None:
    bundle = copy.deepcopy(SOURCE)
    _at(bundle, path)[path[-1]] = value
    status, out = _report(bundle, tmp_path_factory)
    assert status in {1, 2} or value in (None, {}), "only nothing may stand for what need not be there"
    assert out.endswith(".\n")


def test_what_a_bundle_says_cannot_steer_a_terminal(verify) -> None:
    tree = Tree(3)
    bundle = tree.bundle([1], 3)
    bundle["about"] = {"patient": "\x1b[2J"}
    assert "\x1b" not in verify(bundle)[1]
    bundle["entries"][0] = _drop({"salt", "record"})(bundle["entries"][0])
    assert "\x1b" not in verify(bundle)[1]
