"""TensorRT engines: built from a graph on the machine that will serve them, proven there, and recorded.

`build.build_engine` reads like the way of one engine:

    graph         the ONNX graph and its record, exported unless they are there already
    cuda          the GPU, its memory and its stream, through the driver's own library
    bindings      TensorRT itself, new enough
    builder       graph -> plan, with what TensorRT calls back in `callbacks`
    runner        a plan at work
    reference     what the graph answers in float32 on the processor
    verification  plan against reference
    files         what lies where, and whether it is still what was asked for
"""
