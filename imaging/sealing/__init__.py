"""Seals a study on a gateway and opens it on a worker. The format is described in docs/sealed-study.md."""

from imaging.sealing.keys import OpeningKey
from imaging.sealing.manifest import Manifest, read_manifest
from imaging.sealing.package import Entry
from imaging.sealing.study import Sealing, open_study, seal_study

__all__ = ["Entry", "Manifest", "OpeningKey", "Sealing", "open_study", "read_manifest", "seal_study"]
