//! A folder in the CIFAR-10 layout, read outside of a run: through the same plugin as in a pipeline.

use std::path::Path;
use std::sync::Arc;

use mobula_contract::{Failure, FailureKind, Level, Object, StageContext, Tensor};
use mobula_sandbox::{CallEnv, Grants, Limits};

use crate::exit::{Ended, Exit};
use crate::output::Output;
use crate::plugins::Catalogue;

/// The plugin that knows the formats, and its task.
const LOADER: (&str, &str) = ("cifar10-load", "load");

/// Tensors of both parts, with as many labels as images.
pub(crate) struct Dataset {
    object: Object,
}

/// Images `[N, 32, 32, 3]` of u8, and their labels.
pub(crate) struct Part<'a> {
    pub(crate) pixels: &'a [u8],
    pub(crate) labels: &'a [u8],
}

impl Dataset {
    pub(crate) fn read(
        catalogue: &Catalogue,
        folder: &Path,
        output: Output,
    ) -> anyhow::Result<Self> {
        if !folder.exists() {
            let message = format!(
                "no folder {}: `mobula data synth` makes a set, `mobula data fetch` downloads one",
                folder.display()
            );
            return Err(Ended::error(Exit::NotFound, message));
        }
        let (plugin, task) = LOADER;
        let loader = catalogue.find(plugin, None)?;
        let env = CallEnv {
            context: Arc::new(Alone { output }),
            grants: Grants {
                mounts: vec![("data".to_owned(), folder.to_owned())],
                ..Grants::default()
            },
            limits: Limits::default(),
            stage: task.to_owned(),
        };
        let object = loader.run_task(task, "{}", Object::default(), &env).map_err(coded)?;
        Ok(Self { object })
    }

    pub(crate) fn train(&self) -> anyhow::Result<Part<'_>> {
        self.part("x_train", "y_train")
    }

    pub(crate) fn test(&self) -> anyhow::Result<Part<'_>> {
        self.part("x_test", "y_test")
    }

    fn part(&self, images: &str, labels: &str) -> anyhow::Result<Part<'_>> {
        let bytes = |name: &str| self.object.tensor(name).map(Tensor::bytes);
        let (Some(pixels), Some(labels)) = (bytes(images), bytes(labels)) else {
            let message = format!("plugin {} gave no {images} and {labels}", LOADER.0);
            return Err(Ended::error(Exit::Failed, message));
        };
        Ok(Part { pixels, labels })
    }
}

/// The exit code of a call that failed outside of a run.
fn coded(failure: Failure) -> anyhow::Error {
    let exit = match failure.kind {
        FailureKind::Invalid | FailureKind::OutOfBounds => Exit::Invalid,
        FailureKind::Denied | FailureKind::Quota => Exit::Denied,
        FailureKind::Cancelled => Exit::Interrupted,
        _ => Exit::Failed,
    };
    Ended::error(exit, failure.message)
}

/// A call without a run: warnings are shown, nothing is kept.
struct Alone {
    output: Output,
}

impl StageContext for Alone {
    fn log(&self, level: Level, message: &str) {
        if level >= Level::Warn {
            self.output.note(message);
        }
    }

    fn progress(&self, _done: u64, _total: Option<u64>) {}

    fn metric(&self, _name: &str, _step: u64, _value: f64) {}

    fn seed(&self) -> u64 {
        0
    }

    fn cancelled(&self) -> bool {
        false
    }
}
