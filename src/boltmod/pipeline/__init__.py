"""A recipe's way from frames to a report, in resumable phases."""
