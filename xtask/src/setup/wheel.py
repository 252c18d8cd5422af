"""The part of set-up that needs a standard library with SHA-256 and ZIP. Called by `cargo xtask setup`, never at run time.

wheel.py sha256 FILE                              prints the digest
wheel.py free FOLDER                              prints the free bytes of its file system
wheel.py unpack WHEEL DEST STRIP KEEP... -- DROP...   unpacks what matches KEEP and not DROP, without the prefix STRIP
"""

import hashlib
import os
import shutil
import sys
import zipfile
from fnmatch import fnmatchcase


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    print(digest.hexdigest())


def unpack(wheel, dest, strip, keep, drop):
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            name = info.filename
            if any(fnmatchcase(name, p) for p in drop) or not any(fnmatchcase(name, p) for p in keep):
                continue
            if name.startswith(strip):
                info.filename = name[len(strip):]
            archive.extract(info, dest)  # refuses names that lead out of dest; checks each CRC
    os.sync()  # the stamp that follows must not reach the disk before the files


verb, *args = sys.argv[1:]
if verb == "sha256":
    sha256(args[0])
elif verb == "free":
    print(shutil.disk_usage(args[0]).free)
else:
    cut = args.index("--")
    unpack(args[0], args[1], args[2], args[3:cut], args[cut + 1:])
