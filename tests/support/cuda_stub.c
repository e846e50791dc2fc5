/* The NVIDIA driver's library for one process without a GPU: device memory is host memory, a context is a number.
 *
 * Where NVIDIA's own header is at hand, the compiler holds these functions to it. Like the driver, they refuse memory
 * and streams in a thread without a current context.
 */
#include <stdlib.h>
#include <string.h>

#if __has_include(<cuda.h>)
#include <cuda.h>
#else
typedef enum { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_VALUE = 1, CUDA_ERROR_NO_DEVICE = 100,
               CUDA_ERROR_INVALID_CONTEXT = 201 } CUresult;
typedef enum { CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
               CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76 } CUdevice_attribute;
typedef int CUdevice;
typedef struct CUctx_st *CUcontext;
typedef struct CUstream_st *CUstream;
typedef unsigned long long CUdeviceptr;
#define CUDAAPI
#endif

#define MOST_GPUS 4
#define DEEPEST 8

/* What tests set and look at. */
int stub_gpus = 1;
char stub_names[MOST_GPUS][64] = {"NVIDIA L4"};
int stub_capabilities[MOST_GPUS] = {89};
char stub_driver[64] = "580.95.05";
char stub_fails[64] = "";
int stub_status = 0;
int stub_allocations = 0;
int stub_streams = 0;

static __thread CUcontext stack[DEEPEST];
static __thread int depth;

#define FAIL_IF_TOLD(name) do { if (strcmp(stub_fails, name) == 0) return (CUresult)stub_status; } while (0)
#define NEEDS_CONTEXT do { if (depth == 0) return CUDA_ERROR_INVALID_CONTEXT; } while (0)

/* The ordinal of the current thread's GPU, or -1. */
int stub_current(void) { return depth == 0 ? -1 : (int)((size_t)stack[depth - 1] - 1); }

CUresult CUDAAPI cuInit(unsigned int flags) {
    FAIL_IF_TOLD("cuInit");
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    return stub_gpus == 0 ? CUDA_ERROR_NO_DEVICE : CUDA_SUCCESS;
}

CUresult CUDAAPI cuGetErrorName(CUresult error, const char **name) {
    *name = error == CUDA_ERROR_NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : NULL;
    return *name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuDeviceGetCount(int *count) { *count = stub_gpus; return CUDA_SUCCESS; }

CUresult CUDAAPI cuDeviceGet(CUdevice *device, int ordinal) {
    if (ordinal < 0 || ordinal >= stub_gpus) return CUDA_ERROR_INVALID_VALUE;
    *device = ordinal;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetName(char *name, int length, CUdevice device) {
    strncpy(name, stub_names[device], (size_t)length);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    (void)device;
    *bytes = (size_t)24 << 30;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
    if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) *value = stub_capabilities[device] / 10;
    else if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR) *value = stub_capabilities[device] % 10;
    else return CUDA_ERROR_INVALID_VALUE;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    *context = (CUcontext)(size_t)(device + 1);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxPushCurrent_v2(CUcontext context) {
    if (depth == DEEPEST) return CUDA_ERROR_INVALID_VALUE;
    stack[depth++] = context;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxPopCurrent_v2(CUcontext *context) {
    NEEDS_CONTEXT;
    *context = stack[--depth];
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemAlloc_v2(CUdeviceptr *pointer, size_t bytes) {
    FAIL_IF_TOLD("cuMemAlloc_v2");
    NEEDS_CONTEXT;
    *pointer = (CUdeviceptr)(size_t)malloc(bytes);
    stub_allocations++;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemFree_v2(CUdeviceptr pointer) {
    NEEDS_CONTEXT;
    free((void *)(size_t)pointer);
    stub_allocations--;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemcpyHtoD_v2(CUdeviceptr target, const void *source, size_t bytes) {
    NEEDS_CONTEXT;
    memcpy((void *)(size_t)target, source, bytes);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemcpyDtoH_v2(void *target, CUdeviceptr source, size_t bytes) {
    NEEDS_CONTEXT;
    memcpy(target, (void *)(size_t)source, bytes);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamCreate(CUstream *stream, unsigned int flags) {
    NEEDS_CONTEXT;
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE; /* a non-blocking stream would not wait for the copies */
    *stream = (CUstream)(size_t)(++stub_streams);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamSynchronize(CUstream stream) {
    NEEDS_CONTEXT;
    return stream ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuStreamDestroy_v2(CUstream stream) { (void)stream; stub_streams--; return CUDA_SUCCESS; }

/* The management library; its header is not at hand. */
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *version, unsigned int length) {
    if (strcmp(stub_fails, "nvmlSystemGetDriverVersion") == 0) return stub_status;
    strncpy(version, stub_driver, length);
    return 0;
}
