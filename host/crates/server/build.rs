//! Puts the dashboard's files where the program takes them from: those of `web/dist`, or a page that says
//! how to build them.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const INSTEAD: &str = "<!doctype html>
<html lang=\"en\"><meta charset=\"utf-8\"><title>Mobula</title>
<h1>Mobula</h1>
<p>The server works; this program was built without its dashboard.
<p>Build it, then the program again: <code>cd web &amp;&amp; npm ci &amp;&amp; npm run build</code>,
<code>touch host/crates/server/build.rs</code>,
<code>cargo build --release -p mobula</code>.
<p>The API is at <code>/api/v1</code>.
</html>
";

fn main() -> io::Result<()> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    // Of a folder that is not there cargo would think that it changes all the time.
    if dist.is_dir() {
        println!("cargo::rerun-if-changed={}", dist.display());
    }
    let Some(out) = env::var_os("OUT_DIR") else { return Err(io::Error::other("no OUT_DIR")) };
    let out = PathBuf::from(out).join("web");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out)?;
    if dist.join("index.html").is_file() {
        copy(&dist, &out)
    } else {
        fs::write(out.join("index.html"), INSTEAD)
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&place)?;
            copy(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}
