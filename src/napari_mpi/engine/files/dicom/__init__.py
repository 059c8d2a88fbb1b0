"""DICOM series; pydicom comes as an extra."""
