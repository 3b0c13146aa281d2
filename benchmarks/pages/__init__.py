"""How long every page takes in a full house."""
