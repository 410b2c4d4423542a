"""A city's life played through the real code, and counted once more by other means."""
