"""The scanner gateway's imaging agent: reads a folder, seals it, keeps it on disk, and uploads until it is received.

Needs no Django: it runs on the small computer next to the scanner. `python -m imaging.agent --config FILE.json`.
"""

from imaging.agent.source import StudyNote, read_note
from imaging.agent.spool import Identity, Spool
from imaging.agent.upload import Door, deliver

__all__ = ["Door", "Identity", "Spool", "StudyNote", "deliver", "read_note"]
