"""Everything that starts a process or speaks HTTP: settings, wiring, app, routes, pages, command line."""

VERSION = "0.1.0"
