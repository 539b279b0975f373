"""Exercises, workshops and class tables, for teachers."""
