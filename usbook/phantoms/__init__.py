"""Simulated images with known truth, made from physics and anatomy."""
