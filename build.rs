//! Puts the console and the client library into the binary, if they have been built (`make console`); else
//! the first page remains, and nothing but Rust is needed.

use std::error::Error;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let dist = root.join("web/console/dist");
    println!("cargo::rerun-if-changed=build.rs");
    // The page has one script in it, which is known by its hash (CSP Level 3 §2.3.1).
    let mut inline = String::new();
    let mut table = String::from("pub(super) static FILES: &[File] = &[\n");
    if dist.join("index.html").is_file() {
        println!("cargo::rerun-if-changed=web/console/dist");
        let mut names: Vec<_> = fs::read_dir(dist.join("assets"))?.collect::<Result<_, _>>()?;
        names.sort_by_key(fs::DirEntry::file_name);
        let hash = fs::read_to_string(dist.join("inline.txt"))?;
        inline = format!(" '{}'", hash.trim());
        embed(
            &mut table,
            &out,
            "index.html",
            &dist.join("index.html"),
            true,
        )?;
        for entry in names {
            let name = entry.file_name().to_string_lossy().into_owned();
            embed(&mut table, &out, &name, &entry.path(), false)?;
        }
    }
    table.push_str("];\n\npub(super) static CLIENT: &[File] = &[\n");
    let client = root.join("web/client/dist/served");
    if client.is_dir() {
        println!("cargo::rerun-if-changed=web/client/dist/served");
        let mut files: Vec<_> = fs::read_dir(client)?.collect::<Result<_, _>>()?;
        files.sort_by_key(fs::DirEntry::file_name);
        for entry in files {
            let name = entry.file_name().to_string_lossy().into_owned();
            embed(&mut table, &out, &name, &entry.path(), true)?;
        }
    }
    table.push_str("];\n");
    writeln!(
        table,
        "pub(super) const PAGE_POLICY: &str = policy!({inline:?});"
    )?;
    fs::write(out.join("console.rs"), table)?;
    if env::var("PROFILE").as_deref() == Ok("release") && folds_same_code(&out) {
        println!("cargo::rustc-link-arg-bins={FOLD}");
    }
    Ok(())
}

/// Functions of the same code become one, a twentieth of the program.
const FOLD: &str = "-Wl,--icf=all";

/// Whether this linker can: lld, which Rust brings for some targets.
fn folds_same_code(out: &Path) -> bool {
    let source = out.join("fold.rs");
    // A target that has a linker of its own, in cargo's configuration, is one that we cannot ask.
    let native = env::var("TARGET").ok() == env::var("HOST").ok();
    native
        && fs::write(&source, "fn main() {}").is_ok()
        && env::var_os("RUSTC").is_some_and(|rustc| {
            let mut command = Command::new(rustc);
            command.args(["--edition=2024", "-C", &format!("link-arg={FOLD}"), "-o"]);
            command.arg(out.join("fold")).arg(&source);
            command.stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        })
}

/// `has_plain`: the file is kept uncompressed as well, for clients without gzip (curl, a compiler that reads types).
fn embed(
    table: &mut String,
    out: &Path,
    name: &str,
    path: &Path,
    has_plain: bool,
) -> Result<(), Box<dyn Error>> {
    let extension = path.extension().and_then(|end| end.to_str());
    let content_type = match extension.unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "ts" => "application/typescript; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        _ => return Err(format!("{name}: no content type is known for it").into()),
    };
    let bytes = fs::read(path)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    let packed = out.join(format!("{name}.gz"));
    fs::write(&packed, encoder.finish()?)?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let tag = format!("W/\"{:016x}\"", hasher.finish());
    let plain = if has_plain {
        format!("include_bytes!({path:?})")
    } else {
        "&[]".to_owned()
    };
    writeln!(
        table,
        "    File {{ name: {name:?}, content_type: {content_type:?}, tag: {tag:?}, \
         plain: {plain}, gzip: include_bytes!({packed:?}) }},"
    )?;
    Ok(())
}
