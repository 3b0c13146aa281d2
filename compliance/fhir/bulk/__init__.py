"""Bulk data, after the FHIR Bulk Data Access guide: kick-off, the work, and what a download may hold."""
