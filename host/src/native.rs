//! Actors built into the host: `cnn`, the trainer. Turns objects and arguments into the trainer's
//! calls and its reports into objects; computes nothing itself.

use std::ops::ControlFlow;

use mobula_contract::{
    ActorExport, ActorSpec, Charge, DType, Failure, FailureKind, InputPort, MethodExport, Object,
    OutputPort, PortKind, StageContext, StageKind, Tensor, Used, Value,
};
use mobula_engine::{Actor, Call};
use mobula_trainer::{
    EpochArgs, Images, Progress, Recipe, TrainError, Trainer, TrainerConfig, TrainerSettings,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

/// Classes that `native = "…"` may name.
pub(crate) const CLASSES: [&str; 1] = ["cnn"];

/// What a native class offers, in the words of a plugin's manifest.
pub(crate) fn class(name: &str) -> Option<ActorExport> {
    let input = |name: &str| InputPort {
        name: name.to_owned(),
        kind: PortKind::Tensor,
        dtype: Some("u8".to_owned()),
        shape: None,
        optional: false,
        doc: String::new(),
    };
    let output = |name: &&str, kind| OutputPort {
        name: (*name).to_owned(),
        kind,
        dtype: (kind == PortKind::Tensor).then(|| "f32".to_owned()),
        shape: None,
        doc: String::new(),
    };
    let method = |name: &str, inputs: &[&str], outputs: &[&str], kind| MethodExport {
        name: name.to_owned(),
        doc: String::new(),
        args: None,
        inputs: inputs.iter().map(|name| input(name)).collect(),
        outputs: outputs.iter().map(|name| output(name, kind)).collect(),
    };
    let report = [
        "epoch",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "seconds",
        "images",
        "images_per_s",
    ];
    (name == "cnn").then(|| ActorExport {
        name: name.to_owned(),
        doc: "The native CNN trainer.".to_owned(),
        args: None,
        inputs: Vec::new(),
        methods: vec![
            method("train_epoch", &["images", "labels"], &report, PortKind::Json),
            method(
                "evaluate",
                &["images", "labels"],
                &["test_accuracy", "test_loss"],
                PortKind::Json,
            ),
            method("predict", &["images"], &["probabilities"], PortKind::Tensor),
        ],
    })
}

/// What is wrong with the arguments of a native class's creation, or of a method of it.
pub(crate) fn check_args(method: Option<&str>, args: &Map<String, Json>) -> Result<(), Failure> {
    match method {
        // Making the trainer is what checks its network; it takes some milliseconds.
        None => Trainer::new(cnn_config(args)?).map(drop).map_err(failure),
        Some("train_epoch") => epoch_args(args, Recipe::Plain).map(drop),
        Some(_) => match args.keys().next() {
            Some(key) => Err(Failure::new(FailureKind::Invalid, format!("args: unknown `{key}`"))),
            None => Ok(()),
        },
    }
}

/// Configuration of a `cnn` from the arguments in a pipeline.
fn cnn_config(args: &Map<String, Json>) -> Result<TrainerConfig, Failure> {
    read_args::<TrainerSettings>(args).map(TrainerSettings::resolved)
}

/// Arguments of one epoch; where none is given, the batch size is the recipe's.
fn epoch_args(args: &Map<String, Json>, recipe: Recipe) -> Result<EpochArgs, Failure> {
    let mut found: EpochArgs = read_args(args)?;
    if !args.contains_key("batch_size") {
        found.batch_size = recipe.batch_size();
    }
    Ok(found)
}

fn read_args<T: DeserializeOwned>(args: &Map<String, Json>) -> Result<T, Failure> {
    serde_json::from_value(Json::Object(args.clone()))
        .map_err(|e| Failure::new(FailureKind::Invalid, format!("args: {e}")))
}

/// What is wrong with a state that an actor is to begin with: a snapshot, or weights alone.
pub(crate) fn check_state(class: &str, spec: &ActorSpec, state: &[u8]) -> Result<(), Failure> {
    if class != "cnn" {
        return Ok(());
    }
    if Trainer::is_snapshot(state) {
        return Trainer::restore(state, Some(1)).map(drop).map_err(failure);
    }
    let mut trainer = Trainer::new(cnn_config(&spec.args)?).map_err(failure)?;
    trainer.load_weights(state).map_err(failure)
}

/// Makes a native actor, from its state where there is one: a snapshot, or weights alone.
pub(crate) fn create(
    class: &str,
    spec: &ActorSpec,
    state: Option<&[u8]>,
    context: &dyn StageContext,
) -> Result<Box<dyn Actor>, Failure> {
    if class != "cnn" {
        let message = format!("no native actor `{class}`: there is {}", CLASSES.join(", "));
        return Err(Failure::new(FailureKind::Invalid, message));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few processors")]
    let threads = spec.limits.cpus.map(|cpus| cpus.ceil().max(1.0) as usize);
    let fresh = || {
        let mut config = cnn_config(&spec.args)?;
        if !spec.args.contains_key("seed") {
            config.seed = context.seed();
        }
        config.threads = threads.or(config.threads);
        Trainer::new(config).map_err(failure)
    };
    let trainer = match state {
        Some(state) if Trainer::is_snapshot(state) => {
            Trainer::restore(state, threads).map_err(failure)?
        }
        Some(weights) => {
            let mut trainer = fresh()?;
            trainer.load_weights(weights).map_err(failure)?;
            trainer
        }
        None => fresh()?,
    };
    Ok(Box::new(Cnn { trainer, charge: Charge::default(), whole: true }))
}

struct Cnn {
    trainer: Trainer,
    /// What the trainer's buffers take of the process's memory.
    charge: Charge,
    /// The state is that after some number of whole calls.
    whole: bool,
}

impl Actor for Cnn {
    fn call(&mut self, call: Call<'_>) -> Result<Object, Failure> {
        let StageKind::Method { method, .. } = &call.spec.kind else {
            unreachable!("the engine sends an actor only its methods");
        };
        let before_s = self.trainer.helpers_cpu_s();
        let result = match method.as_str() {
            "train_epoch" => self.train_epoch(&call),
            "evaluate" => self.evaluate(&call),
            "predict" => self.predict(&call),
            other => {
                let message =
                    format!("cnn has no method `{other}`: train_epoch, evaluate, predict");
                Err(Failure::new(FailureKind::Invalid, message))
            }
        };
        let helpers_cpu_s = self.trainer.helpers_cpu_s() - before_s;
        call.context.used(Used { helpers_cpu_s, ..Used::default() });
        result
    }

    fn is_alive(&self) -> bool {
        self.whole
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(self.trainer.snapshot())
    }

    fn state_digest(&mut self) -> Result<String, Failure> {
        Ok(self.trainer.state_digest())
    }
}

impl Cnn {
    fn train_epoch(&mut self, call: &Call<'_>) -> Result<Object, Failure> {
        let args = epoch_args(&call.spec.args, self.trainer.config().recipe)?;
        let (images, labels) = (bytes(&call.inputs, "images")?, bytes(&call.inputs, "labels")?);
        let images = Images::new(images.bytes(), labels.bytes()).map_err(failure)?;
        let context = &*call.context;
        let wanted = self.trainer.memory(args.batch_size).total_bytes();
        self.charge.absorb(context.reserve(wanted.saturating_sub(self.charge.bytes()))?);
        let mut progress = |seen: Progress| {
            context.progress(seen.done as u64, Some(seen.total as u64));
            if context.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        // An epoch that ends early leaves a state between two calls.
        self.whole = false;
        let report = self.trainer.train_epoch(images, &args, &mut progress).map_err(failure)?;
        self.whole = true;
        context.metric("loss", report.epoch, report.loss);
        context.metric("accuracy", report.epoch, report.accuracy);
        if let (Some(loss), Some(accuracy)) = (report.val_loss, report.val_accuracy) {
            context.metric("val_loss", report.epoch, loss);
            context.metric("val_accuracy", report.epoch, accuracy);
        }
        let held = [("val_loss", report.val_loss), ("val_accuracy", report.val_accuracy)];
        let held = held.into_iter().filter_map(|(name, value)| Some((name, json!(value?))));
        let fields = [("loss", json!(report.loss)), ("accuracy", json!(report.accuracy))]
            .into_iter()
            .chain(held)
            .chain([
                ("images_per_s", json!(report.images_per_s)),
                ("epoch", json!(report.epoch)),
                ("seconds", json!(report.seconds)),
                ("images", json!(report.images)),
            ]);
        let fields = fields.map(|(name, value)| (name.to_owned(), Value::Json(value)));
        Ok(Object { fields: fields.collect() })
    }

    fn evaluate(&mut self, call: &Call<'_>) -> Result<Object, Failure> {
        let (images, labels) = (bytes(&call.inputs, "images")?, bytes(&call.inputs, "labels")?);
        let images = Images::new(images.bytes(), labels.bytes()).map_err(failure)?;
        let found = self.trainer.evaluate(images).map_err(failure)?;
        Ok(Object::default()
            .with("test_accuracy", Value::Json(json!(found.accuracy)))
            .with("test_loss", Value::Json(json!(found.loss))))
    }

    fn predict(&mut self, call: &Call<'_>) -> Result<Object, Failure> {
        let images = bytes(&call.inputs, "images")?;
        let found = self.trainer.predict(images.bytes()).map_err(failure)?;
        let rows = images.rows();
        let classes = (found.len() as u64).checked_div(rows).unwrap_or(0);
        let bytes = found.iter().flat_map(|share| share.to_le_bytes()).collect();
        let shares = Tensor::new(DType::F32, vec![rows, classes], bytes)
            .map_err(|e| Failure::new(FailureKind::Invalid, e.to_string()))?;
        Ok(Object::default().with("probabilities", Value::Tensor(shares)))
    }
}

/// The u8 tensor of this name.
fn bytes<'a>(inputs: &'a Object, name: &str) -> Result<&'a Tensor, Failure> {
    let found = inputs.get(name);
    match found {
        Some(Value::Tensor(tensor)) if tensor.dtype() == DType::U8 => Ok(tensor),
        _ => {
            let got = match found {
                None => "nothing".to_owned(),
                Some(Value::Tensor(tensor)) => format!("a tensor of {}", tensor.dtype()),
                Some(other) => other.kind().to_owned(),
            };
            let message = format!("input `{name}` must be a tensor of u8, but got {got}");
            Err(Failure::new(FailureKind::Invalid, message))
        }
    }
}

fn failure(error: TrainError) -> Failure {
    let kind = match error {
        TrainError::Cancelled => FailureKind::Cancelled,
        TrainError::Diverged { .. } | TrainError::Snapshot(_) => FailureKind::Failed,
        TrainError::Thread(_) => FailureKind::Host,
        _ => FailureKind::Invalid,
    };
    Failure::new(kind, error.to_string())
}
