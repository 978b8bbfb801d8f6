"""From a trained network to a verified QONNX file."""
