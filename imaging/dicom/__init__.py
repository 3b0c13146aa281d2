"""Reads DICOM as hostile input, and removes what names the patient."""

from imaging.dicom.reading import DicomImage, looks_like_dicom, read_dataset, read_dicom

__all__ = ["DicomImage", "looks_like_dicom", "read_dataset", "read_dicom"]
