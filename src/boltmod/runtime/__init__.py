"""Running models with ONNX Runtime; no torch here."""
