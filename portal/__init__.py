"""The Django project. Empty on purpose: the supervisor imports from here and stays small."""
