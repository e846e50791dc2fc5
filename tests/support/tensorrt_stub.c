/* What TensorRT's Python bindings link against, and nothing behind it: they can be imported, and nothing be made.
 *
 * The builder says why through the logger that it is given, as the real one does where CUDA does not start. Where `log` is
 * in the table of virtual functions of nvinfer1::ILogger depends on the version; 11.4 is the one that is known.
 */
#define NOTHING(name) void *name(void) { return 0; }

NOTHING(createInferRefitter_INTERNAL)
NOTHING(createInferRuntime_INTERNAL)
NOTHING(createNvOnnxParserRefitter_INTERNAL)
NOTHING(createNvOnnxParser_INTERNAL)
NOTHING(getBuilderPluginRegistry)
NOTHING(getNvOnnxParserVersion)
NOTHING(getPluginRegistry)
NOTHING(initLibNvInferPlugins)

typedef void (*Log)(void *logger, int severity, const char *message);
enum { VERSION = 1104, LOG = 4, ERROR = 1, VERBOSE = 4 };

void *createInferBuilder_INTERNAL(void *logger, int version) {
    if (version / 100 == VERSION) {
        Log log = (*(Log **)logger)[LOG];
        log(logger, VERBOSE, "how it went");
        log(logger, ERROR, "CUDA initialization failure\nwith error: 35");
    }
    return 0;
}
