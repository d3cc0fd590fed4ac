"""One file for each kind of thing. Each endpoint is a getter, an action and an answer."""
