"""The FHIR R4 API: a registry of resource types, searches over them, and the HTTP rules around both.

Packages above register what they hold (`compliance.fhir.registry.register`); nothing here knows them.
"""
