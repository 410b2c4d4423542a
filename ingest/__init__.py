"""Outside material in (files); published changes out to the index."""
