"""What exists: tables, value types, domain errors, migrations. Imports none of our other packages."""
