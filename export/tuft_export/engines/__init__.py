"""TensorRT engines: built from a graph on the machine that will serve them, verified there, and recorded.

The modules, in the order in which `build.build_engine` uses them:

    graph         the ONNX graph and its record, exported unless they exist already
    cuda          the GPU, its memory and its stream, through the driver's library
    bindings      TensorRT's Python bindings, checked for their version
    builder       graph -> plan; `callbacks` holds the logger and the progress monitor
    runner        runs a plan
    parity        the plan against `tuft_export.parity.reference`
    files         the paths of one size, and whether its files are up to date
"""
