"""Check proofs from a transparency log as an outsider does: this folder, `compliance/log/merkle.py`,
`compliance/log/notes.py`, the standard library and `cryptography`; nothing else of Medtwin is needed."""
