"""The gateway as a GATT central: finds its devices, bonds, reads what it missed, then listens."""
