//! Where things are: the peers' Python, our program, scripts, presets, and a folder for what comes
//! up.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::data;
use crate::run::{cargo, run, say, target};
use crate::test::guard;

/// A virtual environment to use instead of our own; what it holds is its owner's business.
const VENV_ENV: &str = "MOBULA_PEERS_VENV";
pub(crate) const SCRIPTS: &str = "host/benches/peers";

pub(crate) struct Place {
    pub(crate) python: PathBuf,
    /// The example `peer` of the trainer.
    pub(crate) ours: PathBuf,
    pub(crate) scripts: PathBuf,
    pub(crate) interchange: PathBuf,
    /// For weights, logs and the frameworks' caches; in cargo's target folder.
    pub(crate) work: PathBuf,
    /// Images to train on, and others.
    pub(crate) train: PathBuf,
    pub(crate) test: PathBuf,
    /// As many as a first step needs: start-up is not to be the reading of a data set.
    pub(crate) first: PathBuf,
    /// Whether torch.compile finds code of an earlier run, with which it starts sooner.
    pub(crate) compiled_before: bool,
}

impl Place {
    /// Makes what is missing.
    pub(crate) fn prepare() -> Result<Self> {
        guard()?;
        let target = target()?;
        let work = target.join("peers");
        fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
        let what = "Keras, TensorFlow and PyTorch from PyPI (several GB, once)";
        let python = python(&work.join("venv"), "requirements.txt", what)?;
        cargo(&["build", "--release", "-p", "mobula-trainer", "--example", "peer"])?;
        let (train, test) = (work.join("train.bin"), work.join("test.bin"));
        data::write(&train, data::TRAIN, 1)?;
        data::write(&test, data::TEST, 2)?;
        let first = work.join("first.bin");
        data::write(&first, data::FIRST, 3)?;
        let compiled_before = work.join("inductor").is_dir();
        Ok(Self {
            python,
            ours: target.join("release/examples/peer"),
            scripts: SCRIPTS.into(),
            interchange: "host/INTERCHANGE.md".into(),
            work,
            train,
            test,
            first,
            compiled_before,
        })
    }

    pub(crate) fn network(&self, preset: &str) -> PathBuf {
        Path::new("host/crates/trainer/presets").join(format!("{preset}.toml"))
    }
}

/// The Python of the environment that `VENV_ENV` names, else of our own one in the folder `own`.
pub(crate) fn python(own: &Path, requirements: &str, what: &str) -> Result<PathBuf> {
    let python = match std::env::var_os(VENV_ENV) {
        Some(venv) => PathBuf::from(venv).join("bin/python"),
        None => venv(own, requirements, what)?,
    };
    if !python.is_file() {
        bail!("{} is missing; does {VENV_ENV} name a virtual environment?", python.display());
    }
    Ok(python)
}

/// Our virtual environment, with exactly the versions of the file `requirements`.
fn venv(venv: &Path, requirements: &str, what: &str) -> Result<PathBuf> {
    let python = venv.join("bin/python");
    let requirements = format!("{SCRIPTS}/{requirements}");
    let wanted = fs::read(&requirements).with_context(|| format!("cannot read {requirements}"))?;
    // Written last, so that a broken installation is made anew.
    let stamp = venv.join("requirements.installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    say(&format!("installing {what}"));
    run("python3", &["-m", "venv", "--clear", &venv.display().to_string()])
        .context("the peers need Python 3.11 or later, with its module `venv`")?;
    let pip = ["-m", "pip", "install", "--quiet", "-r", &requirements];
    run(&python.display().to_string(), &pip)?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}
