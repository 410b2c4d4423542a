"""The steps by which the database became what it is; ``models/migrate.py`` runs them."""
