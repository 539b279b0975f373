"""Metrics, comparisons, FROC, calibration, sample sizes, audits and plots; needs no torch."""
