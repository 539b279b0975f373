"""Images, DICOM, clips, manifests, splits by patient, and public data sets."""
