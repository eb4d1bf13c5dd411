//! Which file calls which: functions by their names, methods by the types of what they are called on.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};
use syn::{Expr, FnArg, ImplItem, Item, Member, Pat, Type};

use crate::circles::Graph;
use crate::names::{Definition, Names, words};
use crate::source::{File, is_of_tests};

/// Types with their methods and fields.
pub struct Types {
    /// The file of each method.
    methods: BTreeMap<(Definition, String), usize>,
    fields: BTreeMap<(Definition, String), Definition>,
}

impl Types {
    pub fn of(files: &[File], names: &Names) -> Self {
        let mut types = Self {
            methods: BTreeMap::new(),
            fields: BTreeMap::new(),
        };
        for (index, file) in files.iter().enumerate() {
            for item in &file.items {
                types.take(names, index, file, item);
            }
        }
        types
    }

    fn take(&mut self, names: &Names, index: usize, file: &File, item: &Item) {
        match item {
            Item::Struct(it) => {
                let owner = (file.module.clone(), it.ident.to_string());
                for field in &it.fields {
                    let Some(name) = &field.ident else { continue };
                    if let Some(of) = type_of(names, file, &field.ty) {
                        self.fields.insert((owner.clone(), name.to_string()), of);
                    }
                }
            }
            Item::Impl(it) => {
                let Some(owner) = type_of(names, file, &it.self_ty) else {
                    return;
                };
                for item in &it.items {
                    if let ImplItem::Fn(function) = item {
                        let name = function.sig.ident.to_string();
                        self.methods.entry((owner.clone(), name)).or_insert(index);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Returns the type of this crate that a type is, or that it refers to, boxes or may hold.
pub fn type_of(names: &Names, file: &File, of: &Type) -> Option<Definition> {
    match of {
        Type::Reference(it) => type_of(names, file, &it.elem),
        Type::Paren(it) => type_of(names, file, &it.elem),
        Type::Path(it) => {
            let last = it.path.segments.last()?;
            if (last.ident == "Option" || last.ident == "Box")
                && let syn::PathArguments::AngleBracketed(arguments) = &last.arguments
                && let Some(syn::GenericArgument::Type(inner)) = arguments.args.first()
            {
                return type_of(names, file, inner);
            }
            names.resolve(&file.module, &words(&it.path))
        }
        _ => None,
    }
}

/// Returns which file calls which.
pub fn graph(files: &[File], names: &Names) -> Graph {
    let types = Types::of(files, names);
    let mut graph = Graph::new();
    for (index, file) in files.iter().enumerate() {
        let mut visitor = Calls {
            names,
            types: &types,
            file,
            index,
            own: None,
            locals: BTreeMap::new(),
            graph: &mut graph,
        };
        for item in &file.items {
            visitor.visit_item(item);
        }
    }
    graph
}

struct Calls<'a> {
    names: &'a Names,
    types: &'a Types,
    file: &'a File,
    index: usize,
    /// What `self` is.
    own: Option<Definition>,
    /// The types of parameters.
    locals: BTreeMap<String, Definition>,
    graph: &'a mut Graph,
}

impl Calls<'_> {
    fn note(&mut self, target: usize, name: &str) {
        if target != self.index {
            let from = self.graph.entry(self.index).or_default();
            from.entry(target).or_default().insert(name.to_owned());
        }
    }

    fn note_method(&mut self, of: Option<Definition>, name: &str) {
        let Some(of) = of else { return };
        if let Some(target) = self.types.methods.get(&(of, name.to_owned())) {
            self.note(*target, name);
        }
    }

    /// Returns the type of an expression, as far as fields and parameters say it.
    fn type_of(&self, of: &Expr) -> Option<Definition> {
        match of {
            Expr::Path(path) => {
                let name = path.path.get_ident()?.to_string();
                if name == "self" {
                    return self.own.clone();
                }
                self.locals.get(&name).cloned()
            }
            Expr::Field(field) => {
                let owner = self.type_of(&field.base)?;
                let Member::Named(name) = &field.member else {
                    return None;
                };
                self.types.fields.get(&(owner, name.to_string())).cloned()
            }
            Expr::Reference(it) => self.type_of(&it.expr),
            Expr::Paren(it) => self.type_of(&it.expr),
            _ => None,
        }
    }

    fn note_path(&mut self, path: &syn::Path) {
        let words = words(path);
        if let [of, name] = words.as_slice()
            && of == "Self"
        {
            return self.note_method(self.own.clone(), name);
        }
        let Some((name, before)) = words.split_last() else {
            return;
        };
        if !before.is_empty()
            && let Some(of) = self.names.resolve(&self.file.module, before)
        {
            return self.note_method(Some(of), name);
        }
        let is_function = name.chars().next().is_some_and(char::is_lowercase);
        if is_function
            && let Some(found) = self.names.resolve(&self.file.module, &words)
            && let Some(target) = self.names.defined.get(&found)
        {
            self.note(*target, name);
        }
    }

    fn enter(&mut self, signature: &syn::Signature) {
        self.locals.clear();
        for input in &signature.inputs {
            if let FnArg::Typed(typed) = input
                && let Pat::Ident(name) = &*typed.pat
                && let Some(of) = type_of(self.names, self.file, &typed.ty)
            {
                self.locals.insert(name.ident.to_string(), of);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Calls<'_> {
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.own = type_of(self.names, self.file, &item.self_ty);
        visit::visit_item_impl(self, item);
        self.own = None;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if is_of_tests(&item.attrs) {
            return;
        }
        self.enter(&item.sig);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.enter(&item.sig);
        visit::visit_item_fn(self, item);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.note_method(self.type_of(&call.receiver), &call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        if path.qself.is_none() {
            self.note_path(&path.path);
        }
        visit::visit_expr_path(self, path);
    }
}
