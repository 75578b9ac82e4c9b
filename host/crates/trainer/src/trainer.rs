//! The trainer as its users see it: epochs, evaluation, prediction, state.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use mobula_kernels::optim::{Adam, Nesterov, SHARDS_MAX};
use mobula_kernels::{Cpu, loss};

use crate::config::{EpochArgs, Kernels, OptimizerKind, TrainerConfig};
use crate::core::{Context, Core, How, Job, read, write};
use crate::data::Images;
use crate::epoch::{EpochReport, Evaluation, Progress};
use crate::error::TrainError;
use crate::model;
use crate::network::{Network, Role};
use crate::pool::Pool;
use crate::program::Merge;
use crate::random::{Purpose, Stream};
use crate::schedule;
use crate::summary::LayerSummary;
use crate::weights::Update;

/// Shards that a batch is cut into, whatever the threads: of sixteen images at least, which share each
/// reading of the weights and each writing of the gradients, but never fewer than four.
pub(crate) fn shards_of(batch: usize) -> usize {
    match batch {
        0..128 => 4,
        128..256 => 8,
        _ => SHARDS_MAX,
    }
}

/// Images of a step, by their places in the data set, and the shards that they are cut into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) indices: &'a [u32],
    pub(crate) shards: usize,
}

impl<'a> Batch<'a> {
    /// A whole batch.
    #[cfg(test)]
    pub(crate) fn whole(indices: &'a [u32]) -> Self {
        Self { indices, shards: shards_of(indices.len()) }
    }
}

/// Shards of evaluation and prediction, and images that each takes at a time.
pub(crate) const INFER_SHARDS: usize = 8;
pub(crate) const INFER_IMAGES: usize = 8;

/// The variable that overrides `kernels = "auto"`: `portable` or `avx2`.
const KERNELS_ENV: &str = "MOBULA_KERNELS";

/// A network in training.
#[derive(Debug)]
pub struct Trainer {
    pub(crate) config: TrainerConfig,
    pub(crate) core: Arc<Core>,
    pool: Pool<Core>,
    pub(crate) epoch: u64,
    pub(crate) step: u64,
    pub(crate) history: Vec<EpochReport>,
    order: Vec<u32>,
    backup: Vec<[Vec<f32>; 3]>,
}

impl Trainer {
    /// Seconds that the trainer's threads beside the caller's have computed so far.
    #[must_use]
    pub fn helpers_cpu_s(&self) -> f64 {
        self.pool.cpu_s()
    }

    /// A fresh network: kernels Glorot-uniform from the seed, biases zero.
    ///
    /// # Errors
    /// What is wrong with the configuration or the network, or a thread that could not start.
    pub fn new(config: TrainerConfig) -> Result<Self, TrainError> {
        let trainer = Self::bare(config)?;
        for (i, tensor) in trainer.core.network.tensors.iter().enumerate() {
            let mut draws = Stream::new(trainer.config.seed, Purpose::Weights, [i as u64, 0, 0]);
            let value: Vec<f32> = match tensor.role {
                Role::Kernel { fan_in, fan_out } => {
                    let limit = (6.0 / (fan_in + fan_out) as f64).sqrt() as f32;
                    (0..tensor.len()).map(|_| draws.symmetric() * limit).collect()
                }
                Role::Zero | Role::Mean => vec![0.0; tensor.len()],
                Role::One | Role::Variance => vec![1.0; tensor.len()],
            };
            trainer.set(i, &value);
        }
        trainer.pack();
        Ok(trainer)
    }

    /// A trainer whose tensors are still empty.
    pub(crate) fn bare(mut config: TrainerConfig) -> Result<Self, TrainError> {
        config.check()?;
        // The text itself goes into snapshots, so that a later preset cannot change a run.
        config.model = model::text(&config.model)?.to_owned();
        let network = Network::parse(&config.model)?;
        let context = Context {
            training: false,
            dropout: false,
            flip: false,
            translate: 0,
            smoothing: config.label_smoothing,
            seed: config.seed,
            epoch: 0,
            step: 0,
            batch: 0,
            shards: INFER_SHARDS,
            update: None,
        };
        let machine = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = config.threads.unwrap_or_else(machine).min(SHARDS_MAX);
        let how = How { cpu: cpu(config.kernels), fast: !config.exact, threads };
        let core = Arc::new(Core::new(how, network, context));
        let pool = Pool::new(Arc::clone(&core), threads)?;
        let (order, backup, history) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { config, core, pool, epoch: 0, step: 0, history, order, backup })
    }

    /// Sets tensor `i` and its moments to zero.
    pub(crate) fn set(&self, i: usize, value: &[f32]) {
        let trained = self.core.network.tensors[i].role.trained();
        for (piece, param) in self.core.pieces(i) {
            let moments = if trained { piece.floats.len() } else { 0 };
            let second = if self.config.optimizer == OptimizerKind::Sgd { 0 } else { moments };
            let mut param = write(param);
            (param.m, param.v) = (vec![0.0; moments], vec![0.0; second]);
            param.value = value[piece.floats.clone()].to_vec();
        }
    }

    /// Brings all kernels into the order of this processor.
    pub(crate) fn pack(&self) {
        self.pool.run(Job::Pack, self.core.update_order.len());
    }

    /// Trains one epoch; `progress` is told after each step and may break off.
    ///
    /// # Errors
    /// Arguments or images that do not fit; [`TrainError::Cancelled`] and
    /// [`TrainError::Diverged`], after both of which the trainer is as it was before the epoch.
    pub fn train_epoch(
        &mut self,
        images: Images<'_>,
        args: &EpochArgs,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<EpochReport, TrainError> {
        args.check()?;
        images.check(self.core.network.input.values(), self.core.network.classes)?;
        // Keras: int(n · (1 - split)) images train, the others are held out.
        let trained = (images.len() as f64 * (1.0 - args.validation_split)) as usize;
        if trained == 0 {
            return Err(TrainError::Images(format!(
                "none of {} images is left to train on at validation_split {}",
                images.len(),
                args.validation_split
            )));
        }
        let (training, held) = images.split(trained);
        let step_before = self.step;
        self.save();
        let outcome = self.epoch_of(training, held, args, progress);
        let report = outcome.inspect_err(|_| {
            self.step = step_before;
            self.roll_back();
        })?;
        self.epoch += 1;
        self.history.push(report.clone());
        Ok(report)
    }

    /// An epoch without its beginning and end; what it leaves behind after an error is undone by
    /// the caller.
    fn epoch_of(
        &mut self,
        training: Images<'_>,
        held: Images<'_>,
        args: &EpochArgs,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<EpochReport, TrainError> {
        let (start, images) = (Instant::now(), training.len());
        let (loss, accuracy) = self.steps(training, args, progress)?;
        let train_s = start.elapsed().as_secs_f64();
        let held = if held.is_empty() { None } else { Some(self.evaluate(held)?) };
        // The last update may have left no numbers though the loss before it was one.
        if !self.is_finite() || held.is_some_and(|held| !held.loss.is_finite()) {
            return Err(TrainError::Diverged { epoch: self.epoch, images });
        }
        Ok(EpochReport {
            epoch: self.epoch,
            loss,
            accuracy,
            val_loss: held.map(|held| held.loss),
            val_accuracy: held.map(|held| held.accuracy),
            seconds: start.elapsed().as_secs_f64(),
            images,
            images_per_s: images as f64 / train_s.max(1e-9),
        })
    }

    /// Whether all tensors and moments are numbers.
    fn is_finite(&self) -> bool {
        self.core.params.iter().all(|param| {
            let param = read(param);
            [&param.value, &param.m, &param.v].iter().all(|x| x.iter().all(|x| x.is_finite()))
        })
    }

    fn steps(
        &mut self,
        images: Images<'_>,
        args: &EpochArgs,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(f64, f64), TrainError> {
        let total = images.len();
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        // `Images` holds at most 2^32 - 1.
        order.extend(0..total as u32);
        if args.shuffle {
            let mut draws = Stream::new(self.config.seed, Purpose::Shuffle, [self.epoch, 0, 0]);
            draws.shuffle(&mut order);
        }
        let (mut done, mut loss, mut correct) = (0, 0.0, 0);
        let mut outcome = Ok(());
        for batch in order.chunks(args.batch_size) {
            let at = self.epoch as f64 + done as f64 / total as f64;
            // A last batch that is smaller is cut as all others, so it fits their buffers.
            let batch = Batch { indices: batch, shards: shards_of(args.batch_size) };
            let score = self.train_step(images, batch, args.dropout, at);
            let batch = batch.indices;
            done += batch.len();
            loss += score.loss;
            correct += score.correct;
            if !score.loss.is_finite() {
                outcome = Err(TrainError::Diverged { epoch: self.epoch, images: done });
            } else if progress(Progress { done, total, loss: loss / done as f64 }).is_break() {
                outcome = Err(TrainError::Cancelled);
            }
            if outcome.is_err() {
                break;
            }
        }
        self.order = order;
        outcome.map(|()| (loss / total as f64, correct as f64 / total as f64))
    }

    /// Forward, backward and update on one batch; `epochs` is the schedule's position.
    pub(crate) fn train_step(
        &mut self,
        images: Images<'_>,
        batch: Batch<'_>,
        dropout: bool,
        epochs: f64,
    ) -> loss::Score {
        let update = Some(self.update(schedule::rate(&self.config, epochs)));
        self.gradients(images, batch, dropout, update);
        self.pool.run(Job::Update, self.core.update_order.len());
        self.step += 1;
        self.score()
    }

    /// Forward and backward; the shards then hold the gradients.
    pub(crate) fn gradients(
        &self,
        images: Images<'_>,
        batch: Batch<'_>,
        dropout: bool,
        update: Option<Update>,
    ) {
        let Batch { indices: batch, shards } = batch;
        *write(&self.core.context) = Context {
            training: true,
            dropout,
            flip: self.config.flip,
            translate: self.config.translate,
            smoothing: self.config.label_smoothing,
            seed: self.config.seed,
            epoch: self.epoch,
            step: self.step,
            batch: batch.len(),
            shards,
            update,
        };
        let (network, program) = (&self.core.network, &self.core.program);
        for (s, shard) in self.core.active().iter().enumerate() {
            let shard = &mut *write(shard);
            let cut = |s: usize| s * batch.len() / shards;
            let part = &batch[cut(s)..cut(s + 1)];
            // A shard may be empty, but its gradients are still summed.
            shard.fit_values(network, program, part.len().max(1));
            shard.fit_grads(network, program, part.len().max(1));
            shard.clear();
            for i in part {
                // Indices of images, which were counted in u32.
                shard.pixels.extend_from_slice(images.image(*i as usize));
                shard.labels.push(images.labels()[*i as usize]);
            }
            shard.indices.extend_from_slice(part);
            if part.is_empty() {
                shard.gradients.iter_mut().for_each(|g| g.fill(0.0));
            }
        }
        for (i, segment) in program.train.iter().enumerate() {
            self.pool.run(Job::Train(i), shards);
            if segment.then != Merge::Update {
                self.core.merge(segment.then);
            }
        }
    }

    fn update(&self, rate: f64) -> Update {
        let config = &self.config;
        let decay = (rate * config.weight_decay) as f32;
        if config.optimizer == OptimizerKind::Sgd {
            let (rate, momentum) = (rate as f32, config.momentum as f32);
            return Update::Nesterov(Nesterov { rate, momentum, decay });
        }
        let decay = if config.optimizer == OptimizerKind::AdamW { decay } else { 0.0 };
        // In f32 as Keras has it: 1 - β₂ᵗ of the first steps has five digits then, and the steps
        // would differ from Keras' by more than rounding if it had more.
        let t = (self.step + 1) as f32;
        let bias = |beta: f32| 1.0 - libm::powf(beta, t);
        let alpha = rate as f32 * bias(0.999).sqrt() / bias(0.9);
        let (first, second) = ((1.0 - 0.9_f64) as f32, (1.0 - 0.999_f64) as f32);
        Update::Adam(Adam { alpha, first, second, epsilon: 1e-7, decay })
    }

    pub(crate) fn score(&self) -> loss::Score {
        self.core.active().iter().map(|shard| read(shard).score).fold(
            loss::Score::default(),
            |sum, part| loss::Score {
                loss: sum.loss + part.loss,
                correct: sum.correct + part.correct,
            },
        )
    }

    /// Keeps the tensors as they are, for `roll_back`.
    fn save(&mut self) {
        self.backup.resize_with(self.core.params.len(), Default::default);
        for (kept, param) in self.backup.iter_mut().zip(&self.core.params) {
            let param = read(param);
            for (kept, now) in kept.iter_mut().zip([&param.value, &param.m, &param.v]) {
                kept.clone_from(now);
            }
        }
    }

    fn roll_back(&mut self) {
        for (kept, param) in self.backup.iter().zip(&self.core.params) {
            let param = &mut *write(param);
            param.value.clone_from(&kept[0]);
            param.m.clone_from(&kept[1]);
            param.v.clone_from(&kept[2]);
        }
        self.pack();
    }

    /// Loss and accuracy, with moving statistics and without dropout or augmentation.
    ///
    /// # Errors
    /// [`TrainError::Images`] if they do not fit the network.
    pub fn evaluate(&mut self, images: Images<'_>) -> Result<Evaluation, TrainError> {
        images.check(self.core.network.input.values(), self.core.network.classes)?;
        let (mut loss, mut correct) = (0.0, 0);
        self.infer(images.pixels(), Some(images.labels()), &mut |trainer| {
            let score = trainer.score();
            loss += score.loss;
            correct += score.correct;
        });
        let n = images.len() as f64;
        Ok(Evaluation { loss: loss / n, accuracy: correct as f64 / n, images: images.len() })
    }

    /// Probabilities, one row of classes an image; `pixels` are whole images one after another.
    ///
    /// # Errors
    /// [`TrainError::Images`] if the pixels are no whole number of images.
    pub fn predict(&mut self, pixels: &[u8]) -> Result<Vec<f32>, TrainError> {
        let mut logits = self.logits(pixels)?;
        loss::softmax(&mut logits, self.core.network.classes);
        Ok(logits)
    }

    pub(crate) fn logits(&mut self, pixels: &[u8]) -> Result<Vec<f32>, TrainError> {
        let (bytes, k) = (self.core.network.input.values(), self.core.network.classes);
        if !pixels.len().is_multiple_of(bytes) {
            let given = pixels.len();
            return Err(TrainError::Images(format!("{given} bytes; images have {bytes} each")));
        }
        let mut logits = Vec::with_capacity(pixels.len() / bytes * k);
        self.infer(pixels, None, &mut |trainer| {
            for shard in trainer.core.active() {
                let shard = read(shard);
                logits.extend_from_slice(
                    &shard.values[trainer.core.network.nodes.len()][..shard.images() * k],
                );
            }
        });
        Ok(logits)
    }

    /// Runs all images forward and shows the trainer after each lot.
    fn infer(&self, pixels: &[u8], labels: Option<&[u8]>, seen: &mut dyn FnMut(&Self)) {
        let bytes = self.core.network.input.values();
        {
            let mut context = write(&self.core.context);
            (context.training, context.update) = (false, None);
            context.shards = INFER_SHARDS;
        }
        self.core.use_moving_statistics();
        let lot = INFER_SHARDS * INFER_IMAGES;
        for (i, pixels) in pixels.chunks(lot * bytes).enumerate() {
            let n = pixels.len() / bytes;
            let labels = labels.map(|labels| &labels[i * lot..][..n]);
            for (s, shard) in self.core.active().iter().enumerate() {
                let shard = &mut *write(shard);
                let part = s * n / INFER_SHARDS..(s + 1) * n / INFER_SHARDS;
                shard.fit_values(&self.core.network, &self.core.program, part.len().max(1));
                shard.clear();
                shard.pixels.extend_from_slice(&pixels[part.start * bytes..part.end * bytes]);
                shard.labels.extend_from_slice(labels.map_or(&[], |labels| &labels[part.clone()]));
                shard.indices.extend(part.map(|i| i as u32));
            }
            self.pool.run(Job::Infer, INFER_SHARDS);
            seen(self);
        }
    }

    /// All parameters, BatchNorm statistics included.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.core.network.parameters()
    }

    /// Each layer with its output and parameters.
    #[must_use]
    pub fn summary(&self) -> &[LayerSummary] {
        &self.core.network.summary
    }

    /// The reports of all epochs so far.
    #[must_use]
    pub fn history(&self) -> &[EpochReport] {
        &self.history
    }

    /// Epochs trained.
    #[must_use]
    pub fn epochs(&self) -> u64 {
        self.epoch
    }

    /// Steps trained.
    #[must_use]
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// The configuration, with the network's text as `model`.
    #[must_use]
    pub fn config(&self) -> &TrainerConfig {
        &self.config
    }

    /// What the kernels run on: `portable`, `avx2` or `avx512`.
    #[must_use]
    pub fn instruction_set(&self) -> &'static str {
        self.core.cpu.name()
    }
}

/// The instruction set that was asked for, or the next lower one.
fn cpu(kernels: Kernels) -> Cpu {
    let forced = std::env::var(KERNELS_ENV).ok();
    match (kernels, forced.as_deref()) {
        (Kernels::Portable, _) | (Kernels::Auto, Some("portable")) => Cpu::portable(),
        (Kernels::Avx2, _) | (Kernels::Auto, Some("avx2")) => {
            Cpu::avx2().unwrap_or_else(Cpu::portable)
        }
        (Kernels::Auto, _) => Cpu::detect(),
    }
}
