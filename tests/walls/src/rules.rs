//! The limits, and what is beyond them.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{FnArg, ImplItem, Item, UseTree, Visibility};

use crate::calls;
use crate::circles::circles;
use crate::names::{Definition, Names, words};
use crate::source::{File, is_of_tests, lines};

/// Which top folders of `src` may use which others. Each line names only folders of lines above, so that there is no circle.
pub const MAY_USE: &[(&str, &[&str])] = &[
    ("report", &[]),
    ("connection", &[]),
    ("error", &[]),
    ("limits", &[]),
    ("codec", &[]),
    ("tls", &[]),
    ("util", &[]),
    ("channel", &["util"]),
    ("transceiver", &["codec"]),
    ("cli", &["error"]),
    ("framing", &["util"]),
    ("http", &["connection"]),
    ("ids", &["util"]),
    
    ("names", &["limits"]),
    ("payload", &["limits", "util"]),
    ("websocket", &["connection"]),
    ("access", &["limits", "names", "util"]),
    ("config", &["codec", "framing", "limits", "names"]),
    ("datagram", &["ids", "limits"]),
    ("ports", &["names"]),
    ("endpoint", &["config", "framing", "ids", "limits", "util"]),
    ("drops", &["endpoint"]),
    (
        "sources",
        &[
            "access", "config", "datagram", "endpoint", "ids", "limits", "util",
        ],
    ),
    (
        "devices",
        &[
            "access", "channel", "config", "drops", "endpoint", "framing", "ids", "limits",
            "payload", "sources", "util",
        ],
    ),
    ("ice", &["endpoint", "ids", "sources"]),
    (
        "session",
        &[
            "access",
            "channel",
            "codec",
            "datagram",
            "endpoint",
            "ids",
            "limits",
            "names",
            "sources",
            "transceiver",
            "util",
        ],
    ),
    (
        "api",
        &[
            "config", "drops", "endpoint", "http", "ids", "limits", "names", "payload", "session",
            "sources", "tls", "util",
        ],
    ),
    ("configured", &["config", "ids", "sources"]),
    (
        "media",
        &[
            "access",
            "api",
            "codec",
            "config",
            "endpoint",
            "ids",
            "limits",
            "sources",
            "transceiver",
            "util",
        ],
    ),
    (
        "front",
        &[
            "access",
            "api",
            "config",
            "connection",
            "endpoint",
            "http",
            "ids",
            "limits",
            "sources",
            "tls",
            "util",
            "websocket",
        ],
    ),
    (
        "signaling",
        &[
            "access",
            "api",
            "config",
            "endpoint",
            "http",
            "ice",
            "ids",
            "limits",
            "payload",
            "session",
            "sources",
            "util",
            "websocket",
        ],
    ),
    (
        "gateway",
        &[
            "access",
            "api",
            "channel",
            "config",
            "configured",
            "datagram",
            "devices",
            "drops",
            "endpoint",
            "front",
            "http",
            "ice",
            "ids",
            "limits",
            "media",
            "payload",
            "ports",
            "session",
            "signaling",
            "sources",
            "tls",
            "util",
        ],
    ),
    (
        "io",
        &[
            "access", "config", "datagram", "endpoint", "error", "gateway", "ids", "ports",
            "session", "sources", "tls",
        ],
    ),
    (
        "selftest",
        &["config", "endpoint", "gateway", "io", "session", "sources"],
    ),
    (
        "program",
        &[
            "access", "cli", "config", "endpoint", "error", "gateway", "io", "ports", "report",
            "selftest", "sources",
        ],
    ),
];

/// Types whose fields nothing else sees, and that know no other one of them.
const COMPONENTS: [&str; 10] = [
    "Configured",
    "Connections",
    "Devices",
    "Front",
    "Links",
    "Media",
    "Network",
    "Rendezvous",
    "Sessions",
    "Sources",
];

/// The files that may have `impl Gateway`.
const GATEWAY_FILES: usize = 8;
const GATEWAY_FIELDS: usize = 15;
/// Lines of `gateway/`, without tests.
const GATEWAY_LINES: usize = 3500;
const CONTEXT_FIELDS: usize = 3;
const TYPE_LINES: usize = 2000;
const TYPE_METHODS: usize = 80;

/// Returns a sentence for each wall that is missing.
pub fn faults(files: &[File]) -> Vec<String> {
    let names = Names::of(files);
    let mut faults = Vec::new();
    check_uses(files, &mut faults);
    check_fields(files, &mut faults);
    check_components(files, &names, &mut faults);
    check_gateway(files, &mut faults);
    check_sizes(files, &names, &mut faults);
    check_calls(files, &names, &mut faults);
    faults
}

// ---- who may use whom ----

fn top(file: &File) -> &str {
    file.module.first().map_or("lib", String::as_str)
}

fn check_uses(files: &[File], faults: &mut Vec<String>) {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut seen = BTreeSet::new();
    for (index, (folder, uses)) in MAY_USE.iter().enumerate() {
        for used in *uses {
            if !MAY_USE[..index].iter().any(|(above, _)| above == used) {
                faults.push(format!(
                    "{folder} may use {used}, which is on no lower floor"
                ));
            }
        }
    }
    for file in files {
        let from = top(file);
        if file.module.is_empty() {
            continue;
        }
        let Some(allowed) = table.get(from) else {
            faults.push(format!("{}: {from} has no line in MAY_USE", file.path));
            continue;
        };
        for to in Uses::of(file) {
            seen.insert((from.to_owned(), to.clone()));
            if to != from && !allowed.contains(&to.as_str()) {
                faults.push(format!("{}: {from} may not use crate::{to}", file.path));
            }
        }
    }
    let known = |name: &str| files.iter().any(|file| top(file) == name);
    for (folder, uses) in MAY_USE.iter().filter(|(folder, _)| known(folder)) {
        for used in uses.iter().filter(|used| known(used)) {
            if !seen.contains(&((*folder).to_owned(), (*used).to_owned())) {
                faults.push(format!(
                    "{folder} may use {used} and does not: take it out of MAY_USE"
                ));
            }
        }
    }
}

/// Collects the top folders that a file names.
#[derive(Default)]
struct Uses(BTreeSet<String>);

impl Uses {
    fn of(file: &File) -> BTreeSet<String> {
        let mut uses = Self::default();
        for item in &file.items {
            uses.visit_item(item);
        }
        uses.0
    }

    fn take(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                self.0.insert(path.ident.to_string());
            }
            UseTree::Name(name) => {
                self.0.insert(name.ident.to_string());
            }
            UseTree::Rename(name) => {
                self.0.insert(name.ident.to_string());
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.take(tree);
                }
            }
            UseTree::Glob(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_of_tests(&item.attrs)
            && let UseTree::Path(path) = &item.tree
            && path.ident == "crate"
        {
            self.take(&path.tree);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_of_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let [first, second, ..] = words(path).as_slice()
            && first == "crate"
        {
            self.0.insert(second.clone());
        }
        visit::visit_path(self, path);
    }
}

// ---- fields ----

fn check_fields(files: &[File], faults: &mut Vec<String>) {
    for (file, item) in structs(files) {
        let name = item.ident.to_string();
        let fields = item.fields.len();
        if name == "Context" && file.module == ["sources"] && fields != CONTEXT_FIELDS {
            faults.push(format!(
                "{}: Context has {fields} fields, not {CONTEXT_FIELDS}",
                file.path
            ));
        }
        if name == "Gateway" && fields > GATEWAY_FIELDS {
            faults.push(format!(
                "{}: Gateway has {fields} fields of {GATEWAY_FIELDS}",
                file.path
            ));
        }
        if name != "Gateway" && !COMPONENTS.contains(&name.as_str()) {
            continue;
        }
        for field in &item.fields {
            if !matches!(field.vis, Visibility::Inherited) {
                let field = field.ident.as_ref().map(ToString::to_string);
                let field = field.unwrap_or_default();
                faults.push(format!(
                    "{}: the field {field} of {name} is not private",
                    file.path
                ));
            }
        }
    }
}

fn structs(files: &[File]) -> impl Iterator<Item = (&File, &syn::ItemStruct)> {
    files.iter().flat_map(|file| {
        file.items.iter().filter_map(move |item| match item {
            Item::Struct(item) => Some((file, item)),
            _ => None,
        })
    })
}

// ---- components ----

/// Components never name one another: no function of one takes another.
fn check_components(files: &[File], names: &Names, faults: &mut Vec<String>) {
    for (file, item) in impls(files) {
        let Some((_, own)) = calls::type_of(names, file, &item.self_ty) else {
            continue;
        };
        if !COMPONENTS.contains(&own.as_str()) {
            continue;
        }
        for item in &item.items {
            let ImplItem::Fn(function) = item else {
                continue;
            };
            for input in &function.sig.inputs {
                let FnArg::Typed(typed) = input else { continue };
                let of = calls::type_of(names, file, &typed.ty);
                if let Some((_, of)) = of
                    && of != own
                    && COMPONENTS.contains(&of.as_str())
                {
                    let function = &function.sig.ident;
                    faults.push(format!("{}: {own}::{function} takes {of}", file.path));
                }
            }
        }
    }
}

fn impls(files: &[File]) -> impl Iterator<Item = (&File, &syn::ItemImpl)> {
    files.iter().flat_map(|file| {
        file.items.iter().filter_map(move |item| match item {
            Item::Impl(item) => Some((file, item)),
            _ => None,
        })
    })
}

fn check_gateway(files: &[File], faults: &mut Vec<String>) {
    let own: BTreeSet<&str> = impls(files)
        .filter(|(_, item)| matches!(&*item.self_ty, syn::Type::Path(it) if it.path.is_ident("Gateway")))
        .map(|(file, _)| file.path.as_str())
        .collect();
    for path in own.iter().filter(|path| !path.starts_with("gateway/")) {
        faults.push(format!("{path}: impl Gateway is for the folder gateway"));
    }
    if own.len() > GATEWAY_FILES {
        faults.push(format!(
            "impl Gateway is in {} files of {GATEWAY_FILES}",
            own.len()
        ));
    }
    let within = files.iter().filter(|file| top(file) == "gateway");
    let lines: usize = within.map(|file| file.lines).sum();
    if lines > GATEWAY_LINES {
        faults.push(format!("gateway/ has {lines} lines of {GATEWAY_LINES}"));
    }
}

// ---- sizes ----

fn check_sizes(files: &[File], names: &Names, faults: &mut Vec<String>) {
    let mut sizes: BTreeMap<Definition, (usize, usize)> = BTreeMap::new();
    for (file, item) in impls(files) {
        let Some(own) = calls::type_of(names, file, &item.self_ty) else {
            continue;
        };
        let functions = item
            .items
            .iter()
            .filter(|item| matches!(item, ImplItem::Fn(function) if !is_of_tests(&function.attrs)));
        let (all, methods) = sizes.entry(own).or_default();
        *all += lines(item);
        *methods += functions.count();
    }
    for ((_, name), (lines, methods)) in sizes {
        if lines > TYPE_LINES {
            faults.push(format!("{name} has {lines} lines of {TYPE_LINES}"));
        }
        if methods > TYPE_METHODS {
            faults.push(format!("{name} has {methods} methods of {TYPE_METHODS}"));
        }
    }
}

// ---- calls ----

fn check_calls(files: &[File], names: &Names, faults: &mut Vec<String>) {
    let graph = calls::graph(files, names);
    for circle in circles(&graph) {
        faults.push(format!(
            "{} files call each other in a circle:",
            circle.len()
        ));
        for from in &circle {
            for (to, by) in graph.get(from).into_iter().flatten() {
                if circle.contains(to) {
                    let by: Vec<&str> = by.iter().map(String::as_str).take(6).collect();
                    let (from, to) = (&files[*from].path, &files[*to].path);
                    faults.push(format!("  {from} calls {to}: {}", by.join(", ")));
                }
            }
        }
    }
}
