"""Where samples come from: files of every kind, and live sources."""
