//! No type of a crate that users need not know stands in the public API of sd-core and sd-lb.
//!
//! It is read from the source, file by file: a name's crate is found through that file's `use` declarations.
//! What a macro makes stays unseen, unless its input reads as items (as pin_project's does).

mod planted;

use std::collections::BTreeSet;

use syn::spanned::Spanned;
use syn::visit::Visit as _;
use syn::{Attribute, Field, ImplItem, Item, ItemImpl, ItemTrait, Path, TraitItem, Type, Visibility};

use crate::assert_none;
use crate::paths::{Names, Paths, is_for_tests};
use crate::tree::{FILES, packages};

const CHECKED: [&str; 2] = ["sd-core", "sd-lb"];

/// Dependencies whose types may stand in public signatures: they are agreements between crates, not tools.
const SHARED: [&str; 9] =
    ["async_trait", "futures_core", "http", "http_body", "sd_core", "serde", "tower", "tower_layer", "tower_service"];

/// Named even where nothing depends on them yet.
const TOOLS: [&str; 11] = [
    "tokio",
    "tokio_util",
    "tokio_stream",
    "url",
    "arc_swap",
    "imbl",
    "rand",
    "rand_core",
    "hashbrown",
    "serde_json",
    "etcd_client",
];

fn is_foreign(root: &str, dependencies: &BTreeSet<String>) -> bool {
    !SHARED.contains(&root) && (TOOLS.contains(&root) || dependencies.contains(root))
}

/// One module of one file.
struct Module<'a> {
    file: &'a str,
    is_foreign: &'a dyn Fn(&str) -> bool,
    names: Names,
    /// Types and traits declared here, and not for others.
    private: BTreeSet<String>,
    complaints: Vec<String>,
}

impl<'a> Module<'a> {
    fn complaints(file: &'a str, items: &[Item], is_foreign: &'a dyn Fn(&str) -> bool) -> Vec<String> {
        let private = items.iter().filter_map(declared_privately).collect();
        let names = Names::of(items, is_foreign);
        let mut module = Self { file, is_foreign, names, private, complaints: Vec::new() };
        let hidden: Vec<_> =
            module.names.globs.iter().filter(|root| is_foreign(&module.names.resolve(root))).cloned().collect();
        let hidden =
            hidden.iter().map(|root| format!("{file}: `use {root}::…::*` hides from this check what it brings in"));
        module.complaints.extend(hidden);
        items.iter().for_each(|item| module.item(item));
        module.complaints
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Fn(item) if shown(&item.vis, &item.attrs) => {
                self.check(&item.sig.ident, |paths| paths.visit_signature(&item.sig));
            }
            Item::Struct(item) if shown(&item.vis, &item.attrs) => {
                self.check(&item.ident, |paths| paths.visit_generics(&item.generics));
                item.fields
                    .iter()
                    .filter(|field| is_public(&field.vis))
                    .for_each(|field| self.field(&item.ident, field));
            }
            Item::Enum(item) if shown(&item.vis, &item.attrs) => {
                self.check(&item.ident, |paths| paths.visit_generics(&item.generics));
                let fields = item.variants.iter().flat_map(|variant| &variant.fields);
                fields.for_each(|field| self.field(&item.ident, field));
            }
            Item::Trait(item) if shown(&item.vis, &item.attrs) => self.a_trait(item),
            Item::Type(item) if shown(&item.vis, &item.attrs) => self.check(&item.ident, |paths| {
                paths.visit_generics(&item.generics);
                paths.visit_type(&item.ty);
            }),
            Item::Const(item) if shown(&item.vis, &item.attrs) => {
                self.check(&item.ident, |paths| paths.visit_type(&item.ty));
            }
            Item::Static(item) if shown(&item.vis, &item.attrs) => {
                self.check(&item.ident, |paths| paths.visit_type(&item.ty));
            }
            Item::Use(item) if shown(&item.vis, &item.attrs) => {
                let exported = Names::of(&[Item::Use(item.clone())], self.is_foreign);
                let roots = exported.import_roots().map(|root| self.names.resolve(root));
                let foreign: BTreeSet<_> = roots.filter(|root| (self.is_foreign)(root)).collect();
                let at = line_of(item);
                self.complaints.extend(foreign.iter().map(|root| format!("{}:{at}: `pub use` of {root}", self.file)));
            }
            Item::Impl(item) if !is_for_tests(&item.attrs) => self.an_impl(item),
            Item::Mod(item) if !is_for_tests(&item.attrs) => {
                let items = item.content.as_ref().map(|(_, items)| items.as_slice()).unwrap_or_default();
                self.complaints.extend(Module::complaints(self.file, items, self.is_foreign));
            }
            Item::Macro(item) if item.ident.is_none() => {
                if let Ok(expanded) = syn::parse2::<syn::File>(item.mac.tokens.clone()) {
                    expanded.items.iter().for_each(|item| self.item(item));
                }
            }
            _ => {}
        }
    }

    fn a_trait(&mut self, item: &ItemTrait) {
        self.check(&item.ident, |paths| {
            paths.visit_generics(&item.generics);
            item.supertraits.iter().for_each(|bound| paths.visit_type_param_bound(bound));
        });
        for member in &item.items {
            match member {
                TraitItem::Fn(method) => self.check(&method.sig.ident, |paths| paths.visit_signature(&method.sig)),
                TraitItem::Type(ty) => self.check(&ty.ident, |paths| paths.visit_trait_item_type(ty)),
                TraitItem::Const(constant) => self.check(&constant.ident, |paths| paths.visit_type(&constant.ty)),
                _ => {}
            }
        }
    }

    fn an_impl(&mut self, item: &ItemImpl) {
        let implemented = item.trait_.as_ref().map(|(path, _)| path);
        if self.is_private(head_of(&item.self_ty)) || self.is_private(implemented) {
            return;
        }
        let place = head_of(&item.self_ty).and_then(|path| path.segments.last()).map(|last| last.ident.to_string());
        let place = format!("impl for {}", place.unwrap_or_else(|| "a type without a name".to_owned()));
        self.check(&place, |paths| {
            paths.visit_generics(&item.generics);
            paths.visit_type(&item.self_ty);
            implemented.into_iter().for_each(|path| paths.visit_path(path));
        });
        for member in &item.items {
            match member {
                ImplItem::Type(ty) => self.check(&ty.ident, |paths| paths.visit_type(&ty.ty)),
                // What a trait's methods take and give is said by the trait.
                ImplItem::Fn(method) if shown(&method.vis, &method.attrs) => {
                    self.check(&method.sig.ident, |paths| paths.visit_signature(&method.sig));
                }
                ImplItem::Const(constant) if shown(&constant.vis, &constant.attrs) => {
                    self.check(&constant.ident, |paths| paths.visit_type(&constant.ty));
                }
                _ => {}
            }
        }
    }

    fn field(&mut self, owner: &impl ToString, field: &Field) {
        self.check(owner, |paths| paths.visit_type(&field.ty));
    }

    fn is_private(&self, path: Option<&Path>) -> bool {
        let only_segment = path.filter(|path| path.segments.len() == 1).and_then(|path| path.segments.first());
        only_segment.is_some_and(|segment| self.private.contains(&segment.ident.to_string()))
    }

    fn check<'ast>(&mut self, place: &impl ToString, visit: impl FnOnce(&mut Paths<'ast>)) {
        let mut paths = Paths::default();
        visit(&mut paths);
        for path in paths.found {
            let root = self.names.root_of(path);
            if (self.is_foreign)(&root) {
                let name = path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>().join("::");
                self.complaints.push(format!(
                    "{}:{}: `{}` shows `{name}` of {root}",
                    self.file,
                    line_of(path),
                    place.to_string()
                ));
            }
        }
    }
}

fn line_of(syntax: &impl Spanned) -> usize {
    syntax.span().start().line
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn shown(visibility: &Visibility, attributes: &[Attribute]) -> bool {
    is_public(visibility) && !is_for_tests(attributes)
}

/// The path that a type is written as, if it is: `Cell` of `Cell<T>`, of `&Cell`.
fn head_of(ty: &Type) -> Option<&Path> {
    match ty {
        Type::Path(ty) => Some(&ty.path),
        Type::Reference(reference) => head_of(&reference.elem),
        _ => None,
    }
}

fn declared_privately(item: &Item) -> Option<String> {
    let (visibility, name) = match item {
        Item::Struct(item) => (&item.vis, &item.ident),
        Item::Enum(item) => (&item.vis, &item.ident),
        Item::Union(item) => (&item.vis, &item.ident),
        Item::Trait(item) => (&item.vis, &item.ident),
        _ => return None,
    };
    (!is_public(visibility)).then(|| name.to_string())
}

fn dependencies_of(package: &str) -> BTreeSet<String> {
    let package = packages().iter().find(|known| known["name"] == package).unwrap();
    let normal = package["dependencies"].as_array().unwrap().iter().filter(|dependency| dependency["kind"].is_null());
    normal.map(|dependency| dependency["name"].as_str().unwrap().replace('-', "_")).collect()
}

#[test]
fn public_signatures_of_core_and_lb_show_no_tool() {
    let mut complaints = Vec::new();
    for package in CHECKED {
        let dependencies = dependencies_of(package);
        let folder = format!("{package}/src/");
        for file in FILES.iter().filter(|file| file.is_source() && file.name.starts_with(&folder)) {
            match syn::parse_file(&file.text) {
                Ok(parsed) => complaints
                    .extend(Module::complaints(&file.name, &parsed.items, &|root| is_foreign(root, &dependencies))),
                Err(error) => complaints.push(format!("{}:{}: {error}", file.name, error.span().start().line)),
            }
        }
    }
    assert_none("types in public signatures", &complaints);
}
