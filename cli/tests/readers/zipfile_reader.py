# Opens the archive argv[1] with Python's zipfile, which checks every CRC, and prints for each entry
# `SHA-256 size name`, the name in hexadecimal so that no locale can bend it.
import hashlib
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1]) as archive:
    bad = archive.testzip()
    if bad is not None:
        sys.exit(f"{bad!r} is damaged")
    for info in archive.infolist():
        digest = hashlib.sha256()
        with archive.open(info) as entry:
            while chunk := entry.read(1 << 20):
                digest.update(chunk)
        print(digest.hexdigest(), info.file_size, info.filename.encode().hex())
