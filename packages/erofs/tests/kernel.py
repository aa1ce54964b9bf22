"""Mounts each image named on standard input and prints, one JSON value a line, what the kernel shows of it.

Runs in a mount namespace of its own (unshare -m); the loop devices go with the mounts.
"""
import ctypes, json, os, stat, subprocess, sys

ctypes.CDLL(None).mount(b"none", b"/", None, (1 << 18) | (1 << 14), None)


def read(at, path, out):
    p = at + path
    st = os.lstat(p)
    e = [(path or b"/").decode("latin1"), st.st_mode, st.st_uid, st.st_gid, str(st.st_mtime_ns),
         0 if stat.S_ISDIR(st.st_mode) else st.st_size, st.st_nlink, [os.major(st.st_rdev), os.minor(st.st_rdev)]]
    names = sorted(os.fsencode(n) for n in os.listxattr(p, follow_symlinks=False))
    kept = [n for n in names if n.split(b".")[0] in (b"user", b"trusted", b"security") and not n.startswith(b"trusted.overlay.") and n != b"security.capability"]
    if not stat.S_ISREG(st.st_mode) and not stat.S_ISDIR(st.st_mode):
        kept = [n for n in kept if not n.startswith(b"user.")]
    e.append([[n.decode("latin1"), os.getxattr(p, n, follow_symlinks=False).decode("latin1")] for n in kept])
    e.append(os.readlink(p).decode("latin1") if stat.S_ISLNK(st.st_mode) else None)
    if stat.S_ISREG(st.st_mode) and b"trusted.overlay.metacopy" not in names:
        with open(p, "rb") as f:
            e.append(f.read().decode("latin1"))
    out.append(e)
    if stat.S_ISDIR(st.st_mode):
        for name in sorted(os.listdir(p)):
            child = os.lstat(p + b"/" + name)
            stub = len(name) == 2 and stat.S_ISCHR(child.st_mode) and child.st_rdev == 0
            if path or not stub:
                read(at, path + b"/" + name, out)


for line in sys.stdin:
    subprocess.run(["mount", "-t", "erofs", "-o", "loop,ro", line.strip(), "/mnt"], check=True)
    out = []
    read(b"/mnt", b"", out)
    print(json.dumps(out), flush=True)
    subprocess.run(["umount", "/mnt"], check=True)
