//! Which crate a name in a file comes from, as far as the file's own `use` declarations tell.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, Path, Type, UseTree};

/// The names that a module's items bring into scope.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// A name, and the first segment of the path it stands for.
    roots: BTreeMap<String, String>,
    /// First segments of imports that end in `*`.
    pub(crate) globs: Vec<String>,
}

impl Names {
    /// Reads one module's items, not those of modules within it.
    pub(crate) fn of(items: &[Item], is_foreign: &dyn Fn(&str) -> bool) -> Self {
        let mut names = Self::default();
        for item in items {
            match item {
                Item::Use(import) if !is_for_tests(&import.attrs) => names.import(&import.tree, None, None),
                // A module of ours hides a crate of the same name.
                Item::Mod(module) => names.add(&module.ident, "self"),
                _ => {}
            }
        }
        // An alias is transparent: a private one can stand in a public signature.
        for item in items {
            if let Item::Type(alias) = item
                && let Some(root) = names.foreign_roots(&alias.ty, is_foreign).into_iter().next()
            {
                names.add(&alias.ident, &root);
            }
        }
        names
    }

    fn add(&mut self, name: &impl ToString, root: &str) {
        self.roots.insert(name.to_string(), root.to_owned());
    }

    fn import(&mut self, tree: &UseTree, root: Option<&str>, parent: Option<&str>) {
        let named = |name: &dyn ToString| name.to_string();
        match tree {
            UseTree::Path(path) => {
                let segment = named(&path.ident);
                self.import(&path.tree, Some(root.unwrap_or(&segment)), Some(&segment));
            }
            UseTree::Name(leaf) => {
                let name = named(&leaf.ident);
                let bound = if name == "self" { parent.unwrap_or(&name) } else { &name };
                self.add(&bound, root.unwrap_or(&name));
            }
            UseTree::Rename(leaf) => {
                let name = named(&leaf.ident);
                self.add(&leaf.rename, root.unwrap_or(&name));
            }
            UseTree::Glob(_) => self.globs.extend(root.map(str::to_owned)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, root, parent)),
        }
    }

    /// The crate, or `crate`, `self`, `super`, that the path starts from; a name not imported is its own root.
    pub(crate) fn root_of(&self, path: &Path) -> String {
        let first = path.segments.first().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if path.leading_colon.is_some() { first } else { self.resolve(&first) }
    }

    /// What the imports start from, before `resolve`.
    pub(crate) fn import_roots(&self) -> impl Iterator<Item = &str> {
        self.roots.values().chain(&self.globs).map(String::as_str)
    }

    /// Follows imports of imports: `use tokio::sync; use sync::watch;`.
    pub(crate) fn resolve(&self, name: &str) -> String {
        let mut name = name;
        for _ in 0..=self.roots.len() {
            match self.roots.get(name) {
                Some(root) if root != name => name = root,
                _ => break,
            }
        }
        name.to_owned()
    }

    fn foreign_roots(&self, ty: &Type, is_foreign: &dyn Fn(&str) -> bool) -> Vec<String> {
        let mut paths = Paths::default();
        paths.visit_type(ty);
        paths.found.iter().map(|path| self.root_of(path)).filter(|root| is_foreign(root)).collect()
    }
}

/// Every path within a piece of syntax, arguments of generics included, attributes not.
#[derive(Default)]
pub(crate) struct Paths<'ast> {
    pub(crate) found: Vec<&'ast Path>,
}

impl<'ast> Visit<'ast> for Paths<'ast> {
    fn visit_path(&mut self, path: &'ast Path) {
        self.found.push(path);
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

/// Whether an item is compiled for tests or loom models alone.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<Path>().is_ok_and(|option| option.is_ident("test") || option.is_ident("loom"))
    })
}
