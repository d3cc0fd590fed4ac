"""Database against stores: what disagrees is found, looked at a second time, and put right."""
