//! Where plugins are found: a folder from the command line, the home folder, and the folder beside the
//! program. Compiles each once for a process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context as _;
use mobula_contract::{Pipeline, PluginPin};
use mobula_sandbox::{Plugin, Sandbox, SandboxConfig};
use mobula_store::Store;

use crate::cluster::{BESIDE, Component};
use crate::embed;
use crate::exit::{Ended, Exit};

/// All plugins that a pipeline can name.
pub(crate) struct Catalogue {
    sandbox: Sandbox,
    folders: Vec<PathBuf>,
    /// What was pushed, as far as it is known here.
    shelf: Mutex<Shelf>,
    /// Where components are kept by their digests.
    kept: PathBuf,
    /// The components that a pipeline is bound to.
    pins: Vec<PluginPin>,
    /// The components of runs that share this catalogue, each by its whole version.
    bound: Mutex<Vec<PluginPin>>,
    /// Where a component was found, by its digest.
    found: Mutex<BTreeMap<String, PathBuf>>,
    loaded: Mutex<BTreeMap<(String, Option<String>), Plugin>>,
}

/// The plugins that were pushed.
#[derive(Default)]
struct Shelf {
    /// Name and file of each that is enabled, newest first.
    pushed: Vec<(String, PathBuf)>,
    /// Digests of those that pipelines may not use.
    disabled: BTreeSet<String>,
}

impl Shelf {
    fn read(store: &Store) -> anyhow::Result<Self> {
        let (pushed, disabled): (Vec<_>, Vec<_>) =
            store.plugins()?.into_iter().partition(|row| row.enabled);
        let pushed = pushed.into_iter().map(|row| (row.name, store.plugin_file(&row.digest)));
        let disabled = disabled.into_iter().map(|row| row.digest).collect();
        Ok(Self { pushed: pushed.collect(), disabled })
    }
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
        let sandbox = match embed::compiler() {
            Some(compiler) => Sandbox::with_compiler(config, compiler),
            None => Sandbox::new(config),
        };
        let sandbox = sandbox.context("cannot start the sandbox")?;
        if let Some(dir) = plugin_dir
            && !dir.is_dir()
        {
            let message = format!("--plugin-dir {}: no such folder", dir.display());
            return Err(Ended::error(Exit::NotFound, message));
        }
        let own = || Some(std::env::current_exe().ok()?.parent()?.join("plugins"));
        let beside = std::env::var_os(BESIDE).map(PathBuf::from).or_else(own);
        let folders = plugin_dir.map(Path::to_owned).into_iter().chain(beside).collect();
        Ok(Self {
            sandbox,
            folders,
            shelf: Mutex::new(Shelf::read(store)?),
            kept: home.join("plugins"),
            pins: Vec::new(),
            bound: Mutex::default(),
            found: Mutex::default(),
            loaded: Mutex::default(),
        })
    }

    /// Looks anew which plugins are pushed and enabled.
    pub(crate) fn refresh(&self, store: &Store) -> anyhow::Result<()> {
        let found = Shelf::read(store)?;
        // One after the other: nobody may load an old one in between and keep it.
        let mut loaded = self.loaded.lock().expect("nothing panics while it is held");
        *self.shelf() = found;
        loaded.clear();
        Ok(())
    }

    /// Binds whole versions to these components, for all runs that share the catalogue. Gives the pin that is
    /// in the way, where another run has other content under a name and version.
    pub(crate) fn bind(&self, pins: &[PluginPin]) -> Result<(), PluginPin> {
        let mut loaded = self.loaded.lock().expect("nothing panics while it is held");
        let mut bound = self.bound.lock().expect("nothing panics while it is held");
        for pin in pins {
            let same =
                |other: &&PluginPin| (&other.name, &other.version) == (&pin.name, &pin.version);
            match bound.iter().find(same) {
                Some(other) if other.digest != pin.digest => return Err(other.clone()),
                Some(_) => {}
                None => bound.push(pin.clone()),
            }
        }
        drop(bound);
        loaded.retain(|(name, _), _| !pins.iter().any(|pin| pin.name == *name));
        Ok(())
    }

    /// Nobody needs these any more.
    pub(crate) fn unbind_all_but(&self, pins: &[PluginPin]) {
        let mut loaded = self.loaded.lock().expect("nothing panics while it is held");
        let mut bound = self.bound.lock().expect("nothing panics while it is held");
        bound.retain(|pin| pins.contains(pin));
        loaded.clear();
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
            shelf: Mutex::default(),
            kept: self.kept.clone(),
            pins: Vec::new(),
            bound: Mutex::default(),
            found: Mutex::default(),
            loaded: Mutex::new(BTreeMap::from([(key, plugin)])),
        }
    }

    fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("nothing panics while it is held")
    }

    /// Binds names to these components, for a run that begins.
    pub(crate) fn pin(&mut self, pins: &[PluginPin]) {
        self.pins = pins.to_vec();
        self.loaded = Mutex::default();
    }

    /// The same for a run that goes on: also those that were disabled since.
    pub(crate) fn pin_again(&mut self, pins: &[PluginPin]) {
        self.shelf().disabled.clear();
        self.pin(pins);
    }

    /// Exactly the components that the names in a pipeline mean now.
    pub(crate) fn pins_of(&self, pipeline: &Pipeline) -> anyhow::Result<Vec<PluginPin>> {
        let mut pins = Vec::new();
        for (name, version) in pipeline.plugins_named() {
            let plugin = self.find(name, version)?;
            let pin = PluginPin {
                name: name.to_owned(),
                version: plugin.manifest().version.clone(),
                digest: plugin.digest().to_owned(),
            };
            if !pins.contains(&pin) {
                pins.push(pin);
            }
        }
        Ok(pins)
    }

    /// Keeps components so that the run that begins with them can be resumed, whatever becomes of their
    /// files.
    pub(crate) fn keep(&self, pins: &[PluginPin], store: &Store) -> anyhow::Result<()> {
        for pin in pins.iter().filter(|pin| !store.plugin_file(&pin.digest).is_file()) {
            let found = self.found.lock().expect("nothing panics while it is held");
            let file = found.get(&pin.digest).cloned();
            drop(found);
            let file = file.with_context(|| format!("plugin {} was not loaded", pin.name))?;
            let component = std::fs::read(&file)
                .with_context(|| format!("cannot read plugin {}", file.display()))?;
            let digest = store.keep_component(&component)?;
            if digest != pin.digest {
                let message = format!("{} changed just now: run again", file.display());
                return Err(Ended::error(Exit::Failed, message));
            }
        }
        Ok(())
    }

    /// The sandbox that components are loaded into.
    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
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

    /// The same, as somebody needs it who takes it elsewhere.
    pub(crate) fn component(&self, name: &str, version: Option<&str>) -> anyhow::Result<Component> {
        let plugin = self.find(name, version)?;
        let found = self.found.lock().expect("nothing panics while it is held");
        let file = found.get(plugin.digest()).cloned();
        drop(found);
        Ok(Component {
            digest: plugin.digest().to_owned(),
            file: file.with_context(|| format!("plugin {name} is in no file"))?,
            manifest: plugin.manifest().clone(),
        })
    }

    /// The component of a pin, wherever it is.
    fn pinned(&self, pin: &PluginPin) -> anyhow::Result<Plugin> {
        let PluginPin { name, version, digest } = pin;
        if self.shelf().disabled.contains(digest) {
            let message =
                format!("plugin {name} {version} is disabled: `mobula plugin enable {name}`");
            return Err(Ended::error(Exit::Denied, message));
        }
        self.component_of(pin)
    }

    fn component_of(&self, pin: &PluginPin) -> anyhow::Result<Plugin> {
        let PluginPin { name, version, digest } = pin;
        let hex = digest.strip_prefix("blake3:").unwrap_or(digest);
        let kept = Some(self.kept.join(format!("{hex}.wasm"))).filter(|file| file.is_file());
        let mut others = Vec::new();
        for file in kept.into_iter().chain(self.candidates(name)) {
            let component = std::fs::read(&file).unwrap_or_default();
            let there = format!("blake3:{}", blake3::hash(&component).to_hex());
            if there == *digest {
                let plugin = self.load_file(&file)?;
                let manifest = plugin.manifest();
                if (&manifest.name, &manifest.version) == (name, version) {
                    return Ok(plugin);
                }
                let message = format!(
                    "plugin `{name}` is pinned as version {version} with {digest}, which is {} {}: \
                     `mobula pipeline lock` writes what there is",
                    manifest.name, manifest.version
                );
                return Err(Ended::error(Exit::Invalid, message));
            }
            others.push(format!("{there} in {}", file.display()));
        }
        let there = if others.is_empty() { "nothing".to_owned() } else { others.join(", ") };
        let message = format!(
            "plugin `{name}` is pinned as version {version} with {digest}, but there is {there}: push that \
             component, or pin what there is with `mobula pipeline lock`"
        );
        Err(Ended::error(Exit::NotFound, message))
    }

    fn search(&self, name: &str, version: Option<&str>) -> anyhow::Result<Plugin> {
        if let Some(pin) = self.pins.iter().find(|pin| pin.fits(name, version)) {
            return self.pinned(pin);
        }
        let bound = self.bound.lock().expect("nothing panics while it is held");
        let whole = |pin: &&PluginPin| pin.name == name && version == Some(&pin.version);
        let meant = bound.iter().find(whole).cloned();
        drop(bound);
        if let Some(pin) = meant {
            return self.component_of(&pin);
        }
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
        let shelf = self.shelf();
        let pushed = shelf.pushed.iter().filter(|(there, _)| there == name);
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
        let label = file.display().to_string();
        let plugin = self
            .sandbox
            .load(&bytes, &label)
            .map_err(|e| Ended::error(Exit::Invalid, e.to_string()))?;
        let mut found = self.found.lock().expect("nothing panics while it is held");
        found.insert(plugin.digest().to_owned(), file.to_owned());
        drop(found);
        Ok(plugin)
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
        files.extend(self.shelf().pushed.iter().map(|(_, file)| file.clone()));
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
        let (name, version) = split_version(text);
        self.find(name, version)
    }
}

/// `NAME` or `NAME@VERSION`.
pub(crate) fn split_version(text: &str) -> (&str, Option<&str>) {
    text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)))
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
