"""Remove from a header what names the patient, before the study leaves the scanner's gateway.

This is a minimal list, not the Basic Application Confidentiality Profile of PS3.15 Annex E: dates, device names, UIDs
and text burnt into pixels stay. The file says so in DeidentificationMethod. The patient is then known by the random
identifier in the sealed manifest alone.
"""

from __future__ import annotations

from pydicom.dataset import Dataset, FileDataset

EMPTIED = ("PatientName", "PatientID", "PatientBirthDate", "ReferringPhysicianName", "AccessionNumber", "StudyID")
REMOVED = (
    "PatientAddress", "PatientTelephoneNumbers", "PatientMotherBirthName", "PatientBirthName", "PatientBirthTime",
    "OtherPatientIDs", "OtherPatientIDsSequence", "OtherPatientNames", "PatientComments", "AdditionalPatientHistory",
    "EthnicGroup", "Occupation", "MilitaryRank", "CountryOfResidence", "RegionOfResidence",
    "PatientReligiousPreference", "InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName",
    "StationName", "PerformingPhysicianName", "NameOfPhysiciansReadingStudy", "OperatorsName", "PhysiciansOfRecord",
    "RequestingPhysician", "IssuerOfPatientID", "ResponsiblePerson", "ResponsibleOrganization",
    "ReferringPhysicianAddress", "ReferringPhysicianTelephoneNumbers", "RequestAttributesSequence",
    "MedicalRecordLocator", "InsurancePlanIdentification", "CurrentPatientLocation", "DataSetTrailingPadding",
)  # fmt: skip
METHOD = "Medtwin minimal header list, not the full PS3.15 profile"


def deidentify(dataset: Dataset) -> None:
    """Empty or remove the direct identifiers, every private element and the free preamble of `dataset`, in place."""
    if isinstance(dataset, FileDataset):
        dataset.preamble = bytes(128)
    for keyword in EMPTIED:
        if keyword in dataset:
            setattr(dataset, keyword, "")
    for keyword in REMOVED:
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.remove_private_tags()
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = METHOD
