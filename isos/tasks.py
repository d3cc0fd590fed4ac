"""Wake-up calls for workers. They take ids and hold no logic."""
