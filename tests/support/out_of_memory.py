"""Out-of-memory messages of runtimes and libraries, from their sources and from public issues."""

from __future__ import annotations

# Origin -> message to the client. Public issues are cited by repository and number.
WORDS = {
    # NVIDIA/TensorRT #3017, creating an execution context
    "TensorRT": "[executionContext.cpp::initializeExecutionContext::625] Error Code 2: OutOfMemory "
    "(Requested size was 20132809216 bytes.)",
    # NVIDIA/TensorRT #3017, its allocator
    "TensorRT, allocator": "Requested amount of GPU memory (17920000000 bytes) could not be allocated. "
    "There may not be enough free memory for allocation to succeed.",
    # microsoft/onnxruntime #10770, TensorRT below ONNX Runtime
    "ONNX Runtime, TensorRT": "safeRuntime.cpp (25) - Cuda Error in allocate: 2 (out of memory)",
    # onnxruntime/core/framework/bfc_arena.cc
    "ONNX Runtime, arena": "onnx runtime error 6: Non-zero status code returned while running Conv node. Status "
    "Message: BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 1073741824",
    # onnxruntime/core/providers/cuda/cuda_call.cc
    "ONNX Runtime, CUDA": "CUDA failure 2: out of memory ; GPU=0 ; hostname=l4 ; expr=cudaMalloc((void**)&p, size)",
    # microsoft/onnxruntime #16512
    "ONNX Runtime, cuBLAS": "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; expr=cublasCreate(&cublas_handle_)",
    "ONNX Runtime, cuDNN": "CUDNN failure 2: CUDNN_STATUS_ALLOC_FAILED ; GPU=0 ; expr=cudnnCreate(&cudnn_handle_)",
    # cudaGetErrorName, and the Triton backends that quote it
    "CUDA": "failed to allocate GPU memory: cudaErrorMemoryAllocation",
    # openvino/src/plugins/intel_gpu/src/runtime/engine.cpp
    "OpenVINO, GPU": "[GPU] Exceeded max size of memory object allocation: requested 25600122880 bytes, "
    "but max alloc size supported by device is 4294959104 bytes.",
    # immich-app/immich #13674
    "OpenVINO, GPU resources": "Exception from src/plugins/intel_gpu/src/runtime/ocl/ocl_engine.cpp:185: "
    "[GPU] out of GPU resources",
    # openvinotoolkit/openvino #32649
    "OpenVINO, OpenCL": "[GPU] clEnqueueNDRangeKernel, error code: -5 CL_OUT_OF_RESOURCES",
    "OpenCL": "CL_MEM_OBJECT_ALLOCATION_FAILURE",
    "OpenVINO, CPU": "Exception from src/inference/src/cpp/infer_request.cpp:223: std::bad_alloc",
    # oneDNN's status below OpenVINO's CPU plug-in
    "OpenVINO, oneDNN": "could not create a memory object: out_of_memory",
    "PyTorch": "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 22.05 GiB",
    "numpy": "Unable to allocate 12.0 GiB for an array with shape (1, 2048, 2048, 384) and data type float64",
    # strerror(ENOMEM)
    "Python, mmap": "OSError: [Errno 12] Cannot allocate memory",
    # python_backend/src/shm_manager.cc
    "Triton, Python backend": "Failed to increase the shared memory pool size for key 'tuft_1' to 33554432 bytes",
}
