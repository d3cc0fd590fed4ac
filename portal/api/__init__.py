"""The REST API: the actions and reads of the pages for programs. Holds no rule of its own."""
