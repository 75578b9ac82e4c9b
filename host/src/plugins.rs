//! Where plugins are found: a folder from the command line, the home folder, and the folder beside the
//! program. Compiles each once for a process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context as _;
use mobula_sandbox::{Compiler, Plugin, Sandbox, SandboxConfig};
use mobula_store::Store;

use crate::embed;
use crate::exit::{Ended, Exit};

/// All plugins that a pipeline can name.
pub(crate) struct Catalogue {
    sandbox: Sandbox,
    folders: Vec<PathBuf>,
    /// Name and file of each pushed plugin, newest first.
    pushed: Mutex<Vec<(String, PathBuf)>>,
    loaded: Mutex<BTreeMap<(String, Option<String>), Plugin>>,
}

/// A component that can be named, and where it comes from.
pub(crate) struct Listed {
    pub(crate) file: PathBuf,
    pub(crate) plugin: anyhow::Result<Plugin>,
}

impl Catalogue {
    /// Looks in `plugin_dir` first.
    pub(crate) fn open(store: &Store, plugin_dir: Option<&Path>) -> anyhow::Result<Self> {
        let home = store.home();
        let config = SandboxConfig { cache_dir: Some(home.join("cache")) };
        let own = std::env::current_exe().ok().filter(|_| embed::answers());
        let sandbox = match own {
            Some(own) => {
                Sandbox::with_compiler(config, Compiler::new(own, vec![embed::COMPILE.into()]))
            }
            None => Sandbox::new(config),
        };
        let sandbox = sandbox.context("cannot start the sandbox")?;
        if let Some(dir) = plugin_dir
            && !dir.is_dir()
        {
            let message = format!("--plugin-dir {}: no such folder", dir.display());
            return Err(Ended::error(Exit::NotFound, message));
        }
        let beside =
            std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("plugins")));
        let folders = plugin_dir.map(Path::to_owned).into_iter().chain(beside).collect();
        let pushed = Mutex::new(pushed(store)?);
        Ok(Self { sandbox, folders, pushed, loaded: Mutex::default() })
    }

    /// Looks anew which plugins are pushed and enabled.
    pub(crate) fn refresh(&self, store: &Store) -> anyhow::Result<()> {
        let found = pushed(store)?;
        // One after the other: nobody may load an old one in between and keep it.
        let mut loaded = self.loaded.lock().expect("nothing panics while it is held");
        *self.pushed.lock().expect("nothing panics while it is held") = found;
        loaded.clear();
        Ok(())
    }

    /// Folders of plugins that nobody pushed.
    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The component of these bytes, by the name that messages call it.
    pub(crate) fn load(&self, bytes: &[u8], label: &str) -> anyhow::Result<Plugin> {
        self.sandbox.load(bytes, label).map_err(|e| Ended::error(Exit::Invalid, e.to_string()))
    }

    /// As this one, but what it finds is only this component.
    pub(crate) fn only(&self, plugin: Plugin) -> Self {
        let manifest = plugin.manifest();
        let key = (manifest.name.clone(), Some(manifest.version.clone()));
        Self {
            sandbox: self.sandbox.clone(),
            folders: Vec::new(),
            pushed: Mutex::default(),
            loaded: Mutex::new(BTreeMap::from([(key, plugin)])),
        }
    }

    /// The plugin of this name, of a version that begins with `version`.
    pub(crate) fn find(&self, name: &str, version: Option<&str>) -> anyhow::Result<Plugin> {
        let key = (name.to_owned(), version.map(str::to_owned));
        let mut loaded = self.loaded.lock().expect("nothing panics while it is held");
        if let Some(plugin) = loaded.get(&key) {
            return Ok(plugin.clone());
        }
        let plugin = self.search(name, version)?;
        loaded.insert(key, plugin.clone());
        Ok(plugin)
    }

    fn search(&self, name: &str, version: Option<&str>) -> anyhow::Result<Plugin> {
        let mut others = Vec::new();
        for file in self.candidates(name) {
            let plugin = self.load_file(&file)?;
            let manifest = plugin.manifest();
            if manifest.name == name && version.is_none_or(|v| is_version(&manifest.version, v)) {
                return Ok(plugin);
            }
            others.push(format!("{} {} in {}", manifest.name, manifest.version, file.display()));
        }
        let wanted = version.map_or(String::new(), |version| format!("@{version}"));
        let hint = if others.is_empty() {
            "`mobula plugin list` shows what there is; build one with `mobula plugin build`, keep it \
             with `mobula plugin push`, or point --plugin-dir at its folder"
                .to_owned()
        } else {
            format!("found only {}", others.join(", "))
        };
        Err(Ended::error(Exit::NotFound, format!("no plugin `{name}{wanted}`: {hint}")))
    }

    /// Files that may hold this plugin, in the order of preference.
    fn candidates(&self, name: &str) -> Vec<PathBuf> {
        // Cargo writes the underscores of a crate's name.
        let names = [format!("{name}.wasm"), format!("{}.wasm", name.replace('-', "_"))];
        let in_folder = |folder: &PathBuf| names.clone().map(|file| folder.join(file));
        let pushed = self.pushed.lock().expect("nothing panics while it is held");
        let pushed = pushed.iter().filter(|(there, _)| there == name);
        let split = usize::from(self.folders.len() > 1);
        let (first, last) = self.folders.split_at(split);
        let mut files: Vec<PathBuf> = first.iter().flat_map(in_folder).collect();
        files.extend(pushed.map(|(_, file)| file.clone()));
        files.extend(last.iter().flat_map(in_folder));
        files.retain(|file| file.is_file());
        files.dedup();
        files
    }

    /// The component in this file.
    pub(crate) fn load_file(&self, file: &Path) -> anyhow::Result<Plugin> {
        let bytes = std::fs::read(file).map_err(|e| {
            let exit = if e.kind() == std::io::ErrorKind::NotFound {
                Exit::NotFound
            } else {
                Exit::Failed
            };
            Ended::error(exit, format!("cannot read plugin {}: {e}", file.display()))
        })?;
        self.load(&bytes, &file.display().to_string())
    }

    /// Every component that can be named; one that hides another comes first.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let mut files = Vec::new();
        for folder in &self.folders {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let wasm = entries.filter_map(|entry| Some(entry.ok()?.path()));
            let mut wasm: Vec<PathBuf> =
                wasm.filter(|file| file.extension().is_some_and(|end| end == "wasm")).collect();
            wasm.sort();
            files.extend(wasm);
        }
        let pushed = self.pushed.lock().expect("nothing panics while it is held").clone();
        files.extend(pushed.iter().map(|(_, file)| file.clone()));
        files.into_iter().map(|file| Listed { plugin: self.load_file(&file), file }).collect()
    }

    /// A file, or else the name of a plugin.
    pub(crate) fn file_or_name(&self, text: &str) -> anyhow::Result<Plugin> {
        let file = Path::new(text);
        if file.is_file() {
            return self.load_file(file);
        }
        if text.contains(['/', '\\']) || text.ends_with(".wasm") {
            return Err(Ended::error(Exit::NotFound, format!("no file {text}")));
        }
        let (name, version) =
            text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
        self.find(name, version)
    }
}

/// Name and file of each plugin that is pushed and enabled, newest first.
fn pushed(store: &Store) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let rows = store.plugins()?.into_iter().filter(|row| row.enabled);
    Ok(rows.map(|row| (row.name, store.plugin_file(&row.digest))).collect())
}

/// Whether `version` begins with the parts of `wanted`: 1.2 fits 1.2.9 but not 1.20.
fn is_version(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn versions_fit_by_their_parts() {
        assert!(is_version("1.2.9", "1.2") && is_version("1.2", "1.2"));
        assert!(!is_version("1.20.0", "1.2") && !is_version("1", "1.2"));
    }
}
