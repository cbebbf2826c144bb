// Opens an archive with java.util.zip, as `file` by its directory or as `stream` from front to back, and
// prints for each entry `SHA-256 size name`, the name in hexadecimal so that no locale can bend it.
import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;

class Reader {
    static final PrintStream OUT = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false);
    static final byte[] BUFFER = new byte[1 << 16];

    public static void main(String[] args) throws Exception {
        if (args[0].equals("stream")) {
            stream(args[1]);
        } else {
            file(args[1]);
        }
        OUT.flush();
    }

    static void file(String path) throws Exception {
        try (ZipFile archive = new ZipFile(path)) {
            var entries = archive.entries();
            while (entries.hasMoreElements()) {
                ZipEntry entry = entries.nextElement();
                try (InputStream content = archive.getInputStream(entry)) {
                    // ZipFile leaves the CRC to its caller.
                    var checked = new java.util.zip.CheckedInputStream(content, new java.util.zip.CRC32());
                    print(entry, checked);
                    if (checked.getChecksum().getValue() != entry.getCrc()) {
                        throw new java.util.zip.ZipException("wrong CRC: " + entry.getName());
                    }
                }
            }
        }
    }

    static void stream(String path) throws Exception {
        try (var archive = new ZipInputStream(new BufferedInputStream(new FileInputStream(path), 1 << 16))) {
            ZipEntry entry;
            while ((entry = archive.getNextEntry()) != null) {
                print(entry, archive);
            }
        }
    }

    static void print(ZipEntry entry, InputStream content) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        long size = 0;
        int read;
        while ((read = content.read(BUFFER)) >= 0) {
            digest.update(BUFFER, 0, read);
            size += read;
        }
        HexFormat hex = HexFormat.of();
        String name = hex.formatHex(entry.getName().getBytes(StandardCharsets.UTF_8));
        OUT.println(hex.formatHex(digest.digest()) + " " + size + " " + name);
    }
}
