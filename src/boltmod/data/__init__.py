"""Where frames come from: RadioML files, the twin, recordings; the official split."""
