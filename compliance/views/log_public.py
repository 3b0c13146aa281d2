"""What anybody may read of the transparency log, without signing in: the newest head, and the hashes of the tree.

As C2SP tlog-tiles lays it out, so that strangers can monitor the log with tools of their own. It tells nobody anything
about a patient: a leaf is the hash of a commitment, a commitment hides its record behind 32 random bytes, and records
are not served here at all. What it does tell is how many entries there are.
"""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from compliance.errors import NotFound
from compliance.log.merkle import HASH_BYTES
from compliance.log.tiles import WIDTH, path_of
from compliance.selectors.log import StoredTiles, newest_checkpoint
from compliance.views.marks import public

HEAD_FOR = "public, max-age=2"  # a proxy in front answers a crowd from its cache
TILE_FOR = "public, max-age=31536000, immutable"  # hashes of an append-only tree, partial tiles among them
PLACE = re.compile(r"([0-7])/((?:x\d{3}/){0,5}\d{3})(?:\.p/(\d{1,3}))?")


@public
@require_safe
def checkpoint(request: HttpRequest) -> HttpResponse:
    """Answer the newest witnessed head, or the newest one of a log that has never been witnessed."""
    head = newest_checkpoint(witnessed=True) or newest_checkpoint()
    if head is None:
        raise NotFound
    return HttpResponse(head.note, content_type="text/plain; charset=utf-8", headers={"Cache-Control": HEAD_FOR})


@public
@require_safe
def tile(request: HttpRequest, place: str) -> HttpResponse:
    """Answer the hashes of a tile, whole or as far as the path asks."""
    found = PLACE.fullmatch(place)
    if found is None:
        raise NotFound
    level, number, partial = int(found[1]), int(re.sub(r"\D", "", found[2])), found[3] is not None
    width = int(found[3]) if partial else WIDTH
    one_spelling = path_of(level, number, width) == f"tile/{place}"
    if not 0 < width <= WIDTH - partial or not one_spelling:
        raise NotFound
    hashes = StoredTiles().tile(level, number)[: width * HASH_BYTES]
    if len(hashes) < width * HASH_BYTES:
        raise NotFound
    return HttpResponse(hashes, content_type="application/octet-stream", headers={"Cache-Control": TILE_FOR})
