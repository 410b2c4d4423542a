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
"""Excel itself stops at 32,767, other programs do not. In .jsonl a whole list counts as one cell."""
MAX_FILE_CHARACTERS = 64 * MEBIBYTE
"""In all cells together: a workbook stores a repeated text once, and 1 MiB of it can stand for gigabytes."""
MAX_PARSED = 1_000_000
"""Rows and cells of a workbook, empty ones included, up to the last value. 30,000 entries in our columns have half
as many; reading a million takes about 4 s."""
MAX_ELEMENTS = 4_000_000
"""Elements in one part of a workbook, before anything parses it: each takes some 100 bytes of memory. A sheet that is
formatted down to its last row has 2 to 3 million."""
MAX_STYLE_ELEMENTS = 200_000
"""The same for the parts that openpyxl turns into objects one by one, 50,000 a second."""
MAX_MERGES = 10_000
MAX_LINES = 1_000
"""Similar questions, keywords or documents of one row; the base itself takes a tenth of it."""
MAX_KEY_CHARACTERS = 200
"""Name of a column; the longest of ours has 20."""
MAX_HTML_CHARACTERS = 100_000
"""HTML in one cell; it becomes Markdown at about 200,000 characters a second."""
MAX_HTML_DEPTH = 50
"""Tags inside tags; pages of word processors have 20. Time grows with it, and Python's stack ends at about 300."""
MAX_HTML_ELEMENTS = 500_000
"""What a parser may build from one cell: a bold or font tag that is never closed is repeated in every later block."""
HEADER_SEARCH_ROWS = 10
"""Instructions and titles above the header row; the longest seen has 1."""
