"""An interrupt after OpenVINO networks were freed raises KeyboardInterrupt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NETWORKS = """
import gc, signal, sys
import numpy as np, openvino
from openvino import opset13

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with SIGINT ignored

def network():
    pixels = opset13.parameter([1, 8], np.float32)
    compiled = openvino.Core().compile_model(openvino.Model([opset13.relu(pixels)], [pixels]), "CPU")
    compiled.create_infer_request().infer([np.zeros((1, 8), np.float32)])
    return compiled

first, second = network(), network()
del first
gc.collect()
del second
gc.collect()
"""
HELPED = "from support.signals import handle_on_the_threads_own_stack\nhandle_on_the_threads_own_stack()\n"
INTERRUPTED = "try:\n    signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt:\n    sys.exit(7)\n"


def test_an_interrupt_after_two_networks_is_no_segmentation_fault() -> None:
    program = [sys.executable, "-c", NETWORKS + HELPED + INTERRUPTED]
    assert subprocess.run(program, cwd=Path(__file__).parent, check=False).returncode == 7
