"""Writes layers as diff directories, mounts them as an overlay and prints what the mount shows.

In: one JSON value a line, {"options": "...", "layers": [[entry, ...], ...]}, lowest layer first.
Out: one JSON value a line, a list of entries as the mount has them, in order of a walk.
Runs in a mount namespace of its own (unshare -m), on a tmpfs, so that nothing is left behind.
"""
import ctypes, json, os, stat, sys

libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind, options):
    if libc.mount(source, target, kind, 0, options) != 0:
        raise OSError(ctypes.get_errno(), "mount " + repr(options))


def write(entries, at):
    for e in entries:
        p = os.path.join(at, e["path"].encode("latin1").lstrip(b"/"))
        kind = e["kind"]
        if kind == "hard":
            os.link(os.path.join(at, e["target"].encode("latin1").lstrip(b"/")), p, follow_symlinks=False)
            continue
        if kind == "directory":
            os.makedirs(p, exist_ok=True)
        elif kind == "file":
            with open(p, "wb") as f:
                f.write(e["content"].encode("latin1"))
        elif kind == "symlink":
            os.symlink(e["target"].encode("latin1"), p)
        else:
            os.mknod(p, e["mode"], os.makedev(*e.get("device", [0, 0])))
        os.lchown(p, e["uid"], e["gid"])
        if kind != "symlink":
            os.chmod(p, e["mode"] & 0o7777)
        for name, value in e["xattrs"]:
            os.setxattr(p, name.encode("latin1"), value.encode("latin1"), follow_symlinks=False)
    for e in reversed(entries):
        if e["kind"] != "hard":
            p = os.path.join(at, e["path"].encode("latin1").lstrip(b"/"))
            t = e["sec"] * 10**9 + e["nsec"]
            os.utime(p, ns=(t, t), follow_symlinks=False)


KINDS = {stat.S_IFDIR: "directory", stat.S_IFREG: "file", stat.S_IFLNK: "symlink", stat.S_IFCHR: "char",
         stat.S_IFBLK: "block", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}


def read(at, path, out):
    p = at + path
    st = os.lstat(p)
    kind = KINDS[stat.S_IFMT(st.st_mode)]
    e = {"path": (path or b"/").decode("latin1"), "kind": kind, "mode": st.st_mode, "uid": st.st_uid, "gid": st.st_gid,
         "sec": st.st_mtime_ns // 10**9, "nsec": st.st_mtime_ns % 10**9, "inode": "%d:%d" % (st.st_dev, st.st_ino)}
    names = os.listxattr(p, follow_symlinks=False)
    pairs = [(os.fsencode(n), os.getxattr(p, n, follow_symlinks=False)) for n in names]
    e["xattrs"] = [[n.decode("latin1"), v.decode("latin1")] for n, v in sorted(pairs)]
    if kind == "file":
        with open(p, "rb") as f:
            e["content"] = f.read().decode("latin1")
    elif kind == "symlink":
        e["target"] = os.readlink(p).decode("latin1")
    elif kind in ("char", "block"):
        e["device"] = [os.major(st.st_rdev), os.minor(st.st_rdev)]
    out.append(e)
    if kind == "directory":
        for name in sorted(os.listdir(p)):
            # A directory of one layer shows its whiteouts in a listing, but they cannot be looked up.
            if os.path.lexists(os.path.join(p, name)):
                read(at, path + b"/" + name, out)


libc.mount(b"none", b"/", None, (1 << 18) | (1 << 14), None)
mount(b"tmpfs", b"/mnt", b"tmpfs", b"mode=0755")
os.chdir("/mnt")
for number, line in enumerate(sys.stdin):
    case = json.loads(line)
    base = b"/mnt/%d" % number
    os.mkdir(base)
    os.chdir(base)
    for at, entries in enumerate(case["layers"]):
        write(entries, base + b"/%d" % at)
    os.mkdir(b"m")
    lowers = b":".join(b"%d" % at for at in reversed(range(len(case["layers"]))))
    extra = case["options"].encode()
    mount(b"overlay", b"m", b"overlay", b"lowerdir=" + lowers + (b"," + extra if extra else b""))
    out = []
    read(base + b"/m", b"", out)
    print(json.dumps(out), flush=True)
    libc.umount2(base + b"/m", 2)
