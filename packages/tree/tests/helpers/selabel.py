"""Asks libselinux. argv: path of a file_contexts file. In: lines of JSON [path, mode]; out: context or null."""
import ctypes, json, os, sys

lib = ctypes.CDLL("libselinux.so.1", use_errno=True)


class Option(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("value", ctypes.c_char_p)]


lib.selabel_open.restype = ctypes.c_void_p
lib.selabel_open.argtypes = [ctypes.c_uint, ctypes.POINTER(Option), ctypes.c_uint]
lib.selabel_lookup_raw.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_int]
lib.freecon.argtypes = [ctypes.c_void_p]
SELABEL_CTX_FILE, SELABEL_OPT_PATH = 0, 3
handle = lib.selabel_open(SELABEL_CTX_FILE, (Option * 1)(Option(SELABEL_OPT_PATH, os.fsencode(sys.argv[1]))), 1)
if not handle:
    print("cannot open: %s" % os.strerror(ctypes.get_errno()), file=sys.stderr)
    sys.exit(1)
for line in sys.stdin:
    path, mode = json.loads(line)
    context = ctypes.c_void_p()
    if lib.selabel_lookup_raw(handle, ctypes.byref(context), path.encode("latin1"), mode) != 0:
        print("null")
        continue
    print(json.dumps(ctypes.string_at(context.value).decode("latin1")))
    lib.freecon(context)
