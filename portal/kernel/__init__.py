"""Leaf helpers without models. Imports no app."""
