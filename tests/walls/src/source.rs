//! The source files, without their tests, as the parser of Rust's macros reads them.

use std::fs;
use std::io;
use std::path::Path;

use syn::spanned::Spanned;
use syn::{Attribute, Item};

/// One source file.
pub struct File {
    /// The path below the directory that was read, such as `front/mod.rs`.
    pub path: String,
    /// The path of the module, such as `["front"]`.
    pub module: Vec<String>,
    pub items: Vec<Item>,
    /// Lines, without those of items that only tests have.
    pub lines: usize,
}

impl File {
    /// Reads the text of a file.
    pub fn parse(path: &str, text: &str) -> Result<Self, String> {
        let parsed = syn::parse_file(text).map_err(|error| format!("{path}: {error}"))?;
        let all = text.lines().count();
        let (kept, dropped): (Vec<Item>, Vec<Item>) = parsed
            .items
            .into_iter()
            .partition(|item| !is_of_tests(attributes(item)));
        let lines_of_tests: usize = dropped.iter().map(lines).sum();
        Ok(Self {
            path: path.to_owned(),
            module: module(path),
            items: kept,
            lines: all - lines_of_tests,
        })
    }
}

/// Reads all files below a directory, without those of tests.
pub fn read(directory: &Path) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    visit(directory, "", &mut files).map_err(|error| error.to_string())?;
    if files.is_empty() {
        return Err("no source files".to_owned());
    }
    let files = files.iter().map(|(path, text)| File::parse(path, text));
    files.collect()
}

fn visit(directory: &Path, below: &str, files: &mut Vec<(String, String)>) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{below}{name}");
        if name == "tests" || name.ends_with("tests.rs") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            visit(&entry.path(), &format!("{path}/"), files)?;
        } else if name.ends_with(".rs") {
            files.push((path, fs::read_to_string(entry.path())?));
        }
    }
    Ok(())
}

fn module(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs");
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    if matches!(
        parts.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        parts.pop();
    }
    parts
}

/// Returns how many lines something has.
pub fn lines(of: &impl Spanned) -> usize {
    let span = of.span();
    span.end().line - span.start().line + 1
}

/// Returns whether only tests have an item.
pub fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg")
            && list.is_ok_and(|list| {
                let words = list.tokens.to_string();
                words == "test" || words.starts_with("any (test")
            })
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}
