"""Quality, speed and peers, each by a command that anyone can run. Never installed."""
