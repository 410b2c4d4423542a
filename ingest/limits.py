"""How much one file may hold. Each limit has its reason; a file beyond one is refused, with the figures."""

MEBIBYTE = 1024 * 1024
MAX_FILE_BYTES = 32 * MEBIBYTE
"""30,000 long entries export to about 25 MiB of .xlsx; what is larger is something else."""
MAX_UNPACKED_BYTES = 256 * MEBIBYTE
"""The largest part is held in memory once; the service shares a machine with the index."""
MAX_UNPACKED_RATIO = 200
"""Real workbooks unpack to 5-20 times their size, repetitive ones to 60; deflate bombs to about 1,000."""
RATIO_FLOOR_BYTES = 8 * MEBIBYTE
"""Below this, unpacked, the ratio does not matter: a million empty rows pack very well and harm nobody."""
MAX_PARTS = 2_000
"""Files inside a workbook; one with a picture in every tenth row of a large base stays below."""
MAX_SHEETS = 50
MAX_ROWS = 30_000
"""Rows with content in one file. 20,000 hold SQLite's write lock for 5.5 s; others wait 10 s (models/database.py)."""
MAX_COLUMNS = 200
"""Widest export we know of has 11; beyond this it is no table of entries."""
MAX_CELL_CHARACTERS = 200_000
"""A cell of HTML unpacks to far less Markdown; Excel itself stops at 32,767, other programs do not."""
HEADER_SEARCH_ROWS = 10
"""Instructions and titles above the header row; the longest seen has 1."""
