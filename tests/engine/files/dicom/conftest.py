"""Slices and series as a scanner makes them."""

import pytest

TURNED = [0, 1, 0, 0, 0, -1]  # a sagittal slice: its normal is (-1, 0, 0)


def _data_set(array, *, series="1.2.3", number=1, syntax=None):
    import pydicom

    uid = pydicom.uid
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax or uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = uid.CTImageStorage
    data.SOPClassUID = uid.CTImageStorage
    data.SOPInstanceUID = f"{series}.{number}"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.SeriesInstanceUID, data.InstanceNumber = series, number
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.PatientName, data.PatientID, data.Modality = "Doe^Jane", "17", "CT"
    data.SeriesDescription = "knee"
    data.RescaleSlope, data.RescaleIntercept = 2, -1024
    data.PixelSpacing = [0.25, 0.5]
    data.Rows, data.Columns = array.shape[-2:] if array.ndim < 4 else array.shape[1:3]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * array.dtype.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(array.dtype.kind == "i")
    data.PixelData = array.tobytes()
    data["PixelData"].VR = "OB" if array.dtype.itemsize == 1 else "OW"
    return data


def _saved(path, data):
    path.parent.mkdir(exist_ok=True)
    implicit = data.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
    data.save_as(
        path, enforce_file_format=True, implicit_vr=implicit, little_endian=True
    )
    return path


def _scanned(folder, array, *, order=None, series="1.2.3", **changes):
    count = len(array)
    for place in range(count):
        data = _data_set(array[place], series=series, number=count - place)
        data.ImageOrientationPatient = TURNED
        data.ImagePositionPatient = [-2.0 * place, 5, 6]
        for name, value in changes.items():
            setattr(data, name, value)
        name = (place * 7) % count if order is None else order[place]
        _saved(folder / f"I{series[-1]}{name:03d}", data)
    return folder


@pytest.fixture
def data_set():
    """Return what makes a slice as a scanner does, without a place."""
    return _data_set


@pytest.fixture
def saved():
    """Return what writes a slice to a path, and returns that."""
    return _saved


@pytest.fixture
def scanned():
    """Return what writes slices two millimetres apart into a folder.

    The first is the furthest, their names are shuffled.
    """
    return _scanned
