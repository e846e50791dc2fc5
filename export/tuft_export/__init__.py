"""The export stage of tuft: the network, its checkpoints, ONNX, and the model repository's contents."""
