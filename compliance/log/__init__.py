"""The transparency log without a framework: tree, proofs, checkpoints, cosignatures. Needs `cryptography` alone."""
