//! Compares what a component needs and offers with what this host has and needs, by interface and version.

use wasmtime::Engine;
use wasmtime::component::Component;

/// The package of the plugin world, and the version that this host speaks.
const PACKAGE: &str = "mobula:plugin/";
const VERSION: &str = "0.1.0";
const IMPORTS: [&str; 5] = ["types", "tensors", "values", "context", "stream"];
/// What of WASI 0.2 is there; it has no HTTP, which nothing grants.
const WASI: [&str; 6] = ["cli/", "clocks/", "filesystem/", "io/", "random/", "sockets/"];
const EXPORTS: [&str; 3] = ["meta", "task", "actor"];

/// Names of a component's imports.
pub(crate) fn imports(component: &Component, engine: &Engine) -> Vec<String> {
    component.component_type().imports(engine).map(|(name, _)| name.to_owned()).collect()
}

/// Names of a component's exports.
pub(crate) fn exports(component: &Component, engine: &Engine) -> Vec<String> {
    component.component_type().exports(engine).map(|(name, _)| name.to_owned()).collect()
}

/// What does not fit, one sentence each; empty when all does.
pub(crate) fn differences(imports: &[String], exports: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for import in imports {
        if let Some(rest) = import.strip_prefix("wasi:") {
            if !WASI.iter().any(|package| rest.starts_with(package)) || !rest.contains("@0.2.") {
                found.push(format!("it imports {import}, which this host does not have"));
            }
            continue;
        }
        match ours(import) {
            Some((name, version)) if IMPORTS.contains(&name) => {
                if !compatible(version) {
                    found.push(format!("it imports {import}; this host has version {VERSION}"));
                }
            }
            _ => found.push(format!("it imports {import}, which this host does not have")),
        }
    }
    for wanted in EXPORTS {
        let same =
            exports.iter().filter_map(|export| ours(export).filter(|(name, _)| *name == wanted));
        let versions: Vec<&str> = same.map(|(_, version)| version).collect();
        if versions.iter().any(|version| compatible(version)) {
            continue;
        }
        let needed = format!("this host needs the export {PACKAGE}{wanted}@{VERSION}");
        found.push(match versions.first() {
            Some(version) => format!("{needed}, it has version {version}"),
            None => format!("{needed}, it has none"),
        });
    }
    found
}

/// Interface and version of a name of our package.
fn ours(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(PACKAGE)?;
    Some(rest.split_once('@').unwrap_or((rest, "none")))
}

/// Within one minor version changes only add.
fn compatible(version: &str) -> bool {
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    minor(version) == minor(VERSION)
}

#[cfg(test)]
mod tests {
    use super::differences;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_difference_names_interface_and_version() {
        let exports = ["meta", "task", "actor"].map(|name| format!("mobula:plugin/{name}@0.1.3"));
        let imports = names(&["wasi:io/poll@0.2.6", "mobula:plugin/tensors@0.1.0"]);
        assert_eq!(differences(&imports, &exports), [""; 0]);
        let imports = names(&["mobula:plugin/tensors@0.2.0", "acme:thing/x@1.0.0"]);
        let found = differences(&imports, &names(&["mobula:plugin/task@0.2.0"])).join("\n");
        for part in [
            "tensors@0.2.0",
            "has version 0.1.0",
            "acme:thing/x@1.0.0",
            "it has version 0.2.0",
            "meta@0.1.0, it has none",
        ] {
            assert!(found.contains(part), "{part}: {found}");
        }
    }
}
