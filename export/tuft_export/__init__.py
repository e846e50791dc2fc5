"""The export stage of tuft: the network, its checkpoints, ONNX export, engines and the model repository."""
