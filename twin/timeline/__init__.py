"""One time axis for everything that happened around a patient or a device: plain data, no framework."""
