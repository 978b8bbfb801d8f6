"""The .onnx as a value: reading, metadata, lowering to standard operators."""
