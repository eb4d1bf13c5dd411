//! What a name in a file means: definitions, imports and what is exported again.

use std::collections::BTreeMap;

use syn::{Item, UseTree};

use crate::source::File;

/// A module, by its path from the crate's root.
pub type Module = Vec<String>;

/// A type, trait or function: the module that defines it, and its name.
pub type Definition = (Module, String);

/// All names of the crate.
pub struct Names {
    /// The file of each definition, by its place among the files.
    pub defined: BTreeMap<Definition, usize>,
    modules: BTreeMap<Module, usize>,
    /// Imported names: what each stands for.
    imported: BTreeMap<Definition, Vec<String>>,
    /// Modules of which everything is imported.
    globs: BTreeMap<Module, Vec<Module>>,
}

impl Names {
    pub fn of(files: &[File]) -> Self {
        let mut names = Self {
            defined: BTreeMap::new(),
            modules: BTreeMap::new(),
            imported: BTreeMap::new(),
            globs: BTreeMap::new(),
        };
        for (index, file) in files.iter().enumerate() {
            names.modules.insert(file.module.clone(), index);
        }
        for (index, file) in files.iter().enumerate() {
            for item in &file.items {
                names.take(&file.module, index, item);
            }
        }
        names
    }

    fn take(&mut self, module: &Module, file: usize, item: &Item) {
        let name = match item {
            Item::Struct(it) => &it.ident,
            Item::Enum(it) => &it.ident,
            Item::Trait(it) => &it.ident,
            Item::Type(it) => &it.ident,
            Item::Fn(it) => &it.sig.ident,
            Item::Use(it) => return self.import(module, &mut Vec::new(), &it.tree),
            _ => return,
        };
        self.defined
            .insert((module.clone(), name.to_string()), file);
    }

    fn import(&mut self, module: &Module, before: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.import(module, before, &path.tree);
                before.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(module, before, tree);
                }
            }
            UseTree::Name(name) if name.ident == "self" => {
                let name = before.last().cloned().unwrap_or_default();
                self.imported.insert((module.clone(), name), before.clone());
            }
            UseTree::Name(name) => self.import_as(module, before, &name.ident, &name.ident),
            UseTree::Rename(name) => self.import_as(module, before, &name.ident, &name.rename),
            UseTree::Glob(_) => {
                if let Some(target) = self.module_of(module, before) {
                    self.globs.entry(module.clone()).or_default().push(target);
                }
            }
        }
    }

    fn import_as(
        &mut self,
        module: &Module,
        before: &[String],
        ident: &syn::Ident,
        name: &syn::Ident,
    ) {
        let mut path = before.to_vec();
        path.push(ident.to_string());
        self.imported
            .insert((module.clone(), name.to_string()), path);
    }

    /// Returns the module that a path stands for.
    fn module_of(&self, from: &Module, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let mut module = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.clone(),
            "super" => from[..from.len().checked_sub(1)?].to_vec(),
            name => {
                let child = [from.as_slice(), &[name.to_owned()]].concat();
                if self.modules.contains_key(&child) {
                    child
                } else {
                    let target = self.imported.get(&(from.clone(), name.to_owned()))?;
                    // A name that is imported under itself, from another crate.
                    if target.first() == Some(first) && target.len() == 1 {
                        return None;
                    }
                    self.module_of(from, &target.clone())?
                }
            }
        };
        for name in rest {
            if name == "super" {
                module.pop();
                continue;
            }
            let child = [module.as_slice(), std::slice::from_ref(name)].concat();
            module = if self.modules.contains_key(&child) {
                child
            } else {
                let target = self.imported.get(&(module.clone(), name.clone()))?;
                self.module_of(&module, &target.clone())?
            };
        }
        self.modules.contains_key(&module).then_some(module)
    }

    /// Returns the definition that a path in a module stands for.
    pub fn resolve(&self, from: &Module, path: &[String]) -> Option<Definition> {
        self.resolve_within(from, path, 8)
    }

    fn resolve_within(&self, from: &Module, path: &[String], depth: u8) -> Option<Definition> {
        let depth = depth.checked_sub(1)?;
        let (name, before) = path.split_last()?;
        if !before.is_empty() {
            let module = self.module_of(from, before)?;
            return self.resolve_within(&module, std::slice::from_ref(name), depth);
        }
        let here = (from.clone(), name.clone());
        if self.defined.contains_key(&here) {
            return Some(here);
        }
        if let Some(target) = self.imported.get(&here) {
            return self.resolve_within(from, target, depth);
        }
        let globs = self.globs.get(from)?;
        globs
            .iter()
            .find_map(|module| self.resolve_within(module, std::slice::from_ref(name), depth))
    }
}

/// Returns the words of a path.
pub fn words(path: &syn::Path) -> Vec<String> {
    path.segments
        .iter()
        .map(|it| it.ident.to_string())
        .collect()
}
