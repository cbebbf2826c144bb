//! Real files as objects.

use std::fs;
use std::io;
use std::path::Path;

use crate::content::Rope;
use crate::twin::Twin;
use crate::views::PutAttributes;

impl Twin {
    /// Puts every regular file below a directory, and returns how many. Keys are paths relative to it with `/`;
    /// all bytes are read into memory, and the last modification is the file's. Links are not followed.
    ///
    /// # Errors
    /// When something cannot be read, or a path is no UTF-8; what was put before stays.
    pub fn load_dir(&self, bucket: &str, dir: &Path) -> io::Result<u64> {
        self.create_bucket(bucket);
        self.load(bucket, dir, "")
    }

    fn load(&self, bucket: &str, dir: &Path, prefix: &str) -> io::Result<u64> {
        let mut count = 0;
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let path = entry.path();
            let name = entry.file_name().into_string().map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidData, format!("not UTF-8: {}", path.display()))
            })?;
            let key = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                count += self.load(bucket, &path, &format!("{key}/"))?;
            } else if kind.is_file() {
                let last_modified = Some(entry.metadata()?.modified()?);
                let attributes = PutAttributes { last_modified, ..PutAttributes::default() };
                self.put_with(bucket, &key, Rope::from(fs::read(&path)?), attributes);
                count += 1;
            }
        }
        Ok(count)
    }
}
