//! The state that threads share and the jobs they run on it: shards, merges, the update.
//!
//! Each lock is held by one part of a job at a time; they stand in for borrows that outlive a
//! call, and are never contended for long.

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use mobula_kernels::norm::Moments;
use mobula_kernels::optim::{self, Adam, Nesterov, SHARDS_MAX};
use mobula_kernels::winograd::{self, Winograd};
use mobula_kernels::{Cpu, conv};

use crate::buffer::Buffer;
use crate::network::{Network, Node, Op};
use crate::pool::Work;
use crate::program::{Merge, Program};
use crate::shard::Shard;
use crate::step;

/// Keras' BatchNormalization: momentum, 1 - momentum (rounded once) and ε.
const MOMENTUM: f32 = 0.99;
const REST: f32 = 0.01;
const EPSILON: f64 = 1e-3;

/// A tensor, the optimizer's moments of it, and its weights in the kernels' order.
#[derive(Debug, Default)]
pub(crate) struct Param {
    pub(crate) value: Vec<f32>,
    pub(crate) m: Vec<f32>,
    pub(crate) v: Vec<f32>,
    pub(crate) forward: Buffer,
    pub(crate) backward: Buffer,
}

/// A normalisation as this batch sees it, see `mobula_kernels::norm`.
#[derive(Debug)]
pub(crate) struct NormState {
    pub(crate) mean: Vec<f32>,
    pub(crate) scale: Vec<f32>,
    pub(crate) beta: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) tilt: Vec<f32>,
    count: f64,
    total_mean: Vec<f64>,
    total_m2: Vec<f64>,
}

/// How the optimizer moves this step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Update {
    /// With the decay of kernels apart.
    Adam(Adam),
    Nesterov(Nesterov),
}

/// What a step needs to know besides its images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) training: bool,
    pub(crate) dropout: bool,
    pub(crate) flip: bool,
    pub(crate) translate: u32,
    pub(crate) smoothing: f32,
    pub(crate) seed: u64,
    pub(crate) epoch: u64,
    pub(crate) step: u64,
    /// Images of the whole batch.
    pub(crate) batch: usize,
    /// Shards that it is cut into.
    pub(crate) shards: usize,
    pub(crate) update: Option<Update>,
}

/// A job's parts are shards, or tensors for the update and the packing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    Train(usize),
    Infer,
    Update,
    Pack,
}

/// All that the threads share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) cpu: Cpu,
    pub(crate) network: Network,
    pub(crate) program: Program,
    /// Per node: the tiles of a convolution that is done by them.
    pub(crate) winograd: Vec<Option<Winograd>>,
    pub(crate) params: Vec<RwLock<Param>>,
    pub(crate) norms: Vec<RwLock<NormState>>,
    pub(crate) shards: Vec<RwLock<Shard>>,
    /// One for each thread, for what lives within a step.
    scratch: Vec<Mutex<Buffer>>,
    pub(crate) context: RwLock<Context>,
    /// Trained tensors, the largest first, so that the last thread does not end late.
    pub(crate) update_order: Vec<usize>,
}

/// A panic of a part goes on to the caller, so a poisoned lock tells nothing new.
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Work for Core {
    type Job = Job;

    fn run(&self, job: Job, part: usize, worker: usize) {
        let groups = match job {
            Job::Train(segment) => &self.program.train[segment].groups,
            Job::Infer => &self.program.infer,
            Job::Update => return self.update(self.update_order[part]),
            Job::Pack => return self.pack(self.update_order[part]),
        };
        let context = *read(&self.context);
        let mut shard = write(&self.shards[part]);
        let mut scratch = self.scratch[worker].lock().unwrap_or_else(PoisonError::into_inner);
        for group in groups {
            step::run(self, &context, &mut shard, &mut scratch, group);
        }
    }
}

/// What a trainer runs on and with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) cpu: Cpu,
    /// Lets convolutions be done by tiles where these fit.
    pub(crate) fast: bool,
    pub(crate) threads: usize,
}

/// The buffer at this length; only the first call makes it.
fn fit(buffer: &mut Buffer, len: usize) -> &mut [f32] {
    if buffer.len() != len {
        *buffer = Buffer::zeroed(len);
    }
    buffer
}

/// Floats that any step needs besides a shard's own.
fn scratch_len(
    cpu: Cpu,
    network: &Network,
    program: &Program,
    winograd: &[Option<Winograd>],
) -> usize {
    let widest = network.nodes.iter().map(|node| node.to.c).max().unwrap_or(0);
    let tiles = winograd
        .iter()
        .enumerate()
        .filter_map(|(i, wino)| wino.map(|wino| wino.scratch_len(cpu, program.lot(i, usize::MAX))));
    tiles.fold(2 * widest, usize::max)
}

impl Core {
    pub(crate) fn new(how: How, network: Network, context: Context) -> Self {
        let How { cpu, fast, threads } = how;
        let program = Program::new(&network);
        let tiles = network.nodes.iter().map(|node| match node.op {
            Op::Conv { conv, .. } if fast => Winograd::of(conv),
            _ => None,
        });
        let winograd: Vec<_> = tiles.collect();
        let scratch = scratch_len(cpu, &network, &program, &winograd);
        let scratch = (0..threads).map(|_| Mutex::new(Buffer::zeroed(scratch))).collect();
        let params = network.tensors.iter().map(|_| RwLock::default()).collect();
        let norm = |c: usize| NormState {
            mean: vec![0.0; c],
            scale: vec![0.0; c],
            beta: vec![0.0; c],
            shift: vec![0.0; c],
            tilt: vec![0.0; c],
            count: 0.0,
            total_mean: vec![0.0; c],
            total_m2: vec![0.0; c],
        };
        let norms = network.nodes.iter().filter(|node| matches!(node.op, Op::Norm { .. }));
        let norms = norms.map(|node| RwLock::new(norm(node.from.c))).collect();
        let mut update_order: Vec<_> =
            (0..network.tensors.len()).filter(|i| network.tensors[*i].role.trained()).collect();
        update_order.sort_by_key(|i| std::cmp::Reverse(network.tensors[*i].len()));
        let shards = (0..SHARDS_MAX).map(|_| RwLock::default()).collect();
        let context = RwLock::new(context);
        Self {
            cpu,
            network,
            program,
            winograd,
            params,
            norms,
            shards,
            scratch,
            context,
            update_order,
        }
    }

    /// Sums gradients over the shards and moves tensor `i`.
    fn update(&self, i: usize) {
        let Context { update, shards, .. } = *read(&self.context);
        let all: [_; SHARDS_MAX] = std::array::from_fn(|s| read(&self.shards[s]));
        let mut gradients: [&[f32]; SHARDS_MAX] = [&[]; SHARDS_MAX];
        for (gradients, shard) in gradients.iter_mut().zip(&all[..shards]) {
            *gradients = &shard.gradients[i];
        }
        let gradients = &gradients[..shards];
        let mut param = write(&self.params[i]);
        let kernel = self.network.tensors[i].name.ends_with(".kernel");
        let Param { value, m, v, .. } = &mut *param;
        match update {
            Some(Update::Adam(mut adam)) => {
                adam.decay = if kernel { adam.decay } else { 0.0 };
                optim::adam(self.cpu, adam, gradients, value, m, v);
            }
            Some(Update::Nesterov(mut sgd)) => {
                sgd.decay = if kernel { sgd.decay } else { 0.0 };
                optim::nesterov(self.cpu, sgd, gradients, value, m);
            }
            None => return,
        }
        drop(param);
        self.pack(i);
    }

    /// Brings the weights of tensor `i` into the kernels' order, if it has one.
    fn pack(&self, i: usize) {
        let users = self.network.nodes.iter();
        let node = users.copied().enumerate().find(|(_, node)| match node.op {
            Op::Conv { kernel, .. } | Op::Dense { kernel, .. } => kernel == i,
            _ => false,
        });
        let Some((at, node)) = node else { return };
        let Param { value, forward, backward, .. } = &mut *write(&self.params[i]);
        let lens = self.packed_lens(at);
        let (forward, backward) = (fit(forward, lens[0]), fit(backward, lens[1]));
        let (cpu, k) = (self.cpu, node.to.c);
        match self.winograd[at] {
            Some(wino) => winograd::pack(cpu, wino, value, forward),
            None => conv::pack(cpu, value, k, forward),
        }
        if at == 0 {
            return;
        }
        match (node.op, self.winograd[at]) {
            (Op::Conv { .. }, Some(wino)) => winograd::pack_turned(cpu, wino, value, backward),
            (Op::Conv { conv, .. }, None) => conv::pack_turned(cpu, conv, value, backward),
            _ => conv::pack_transposed(cpu, value, k, backward),
        }
    }

    /// Floats of all weights in the kernels' order.
    pub(crate) fn packed_len(&self) -> usize {
        (0..self.network.nodes.len()).map(|at| self.packed_lens(at).iter().sum::<usize>()).sum()
    }

    /// Floats of node `at`'s weights in the kernels' order, forward and backward.
    fn packed_lens(&self, at: usize) -> [usize; 2] {
        let Node { op, from, to, .. } = self.network.nodes[at];
        let (c, k) = (from.c, to.c);
        let [forward, backward] = match (op, self.winograd[at]) {
            (Op::Conv { .. }, Some(wino)) => [wino.packed_len(self.cpu), wino.turned_len(self.cpu)],
            (Op::Conv { conv, .. }, None) => {
                let rows = conv.weights() / k;
                [(rows, k), (rows / c * k, c)].map(|(n, k)| conv::packed_len(self.cpu, n, k))
            }
            (Op::Dense { .. }, _) => {
                [(c, k), (k, c)].map(|(n, k)| conv::packed_len(self.cpu, n, k))
            }
            _ => [0, 0],
        };
        // Nothing needs the gradient of the pixels.
        [forward, if at > 0 { backward } else { 0 }]
    }

    /// Floats of the scratch of all threads.
    pub(crate) fn scratch_len(&self) -> usize {
        let len =
            |scratch: &Mutex<Buffer>| scratch.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.scratch.iter().map(len).sum()
    }

    /// Merges what the shards found, in their order.
    pub(crate) fn merge(&self, merge: Merge) {
        match merge {
            Merge::Stats(i) => self.merge_stats(i),
            Merge::Sums(i) => self.merge_sums(i),
            Merge::Update => {}
        }
    }

    /// The shards of this batch.
    pub(crate) fn active(&self) -> &[RwLock<Shard>] {
        &self.shards[..read(&self.context).shards]
    }

    fn norm(&self, i: usize) -> (usize, usize) {
        let Op::Norm { first, bn, .. } = self.network.nodes[i].op else {
            unreachable!("merges are of normalisations")
        };
        (first, bn)
    }

    fn merge_stats(&self, i: usize) {
        let (first, bn) = self.norm(i);
        let state = &mut *write(&self.norms[bn]);
        state.total_mean.fill(0.0);
        state.total_m2.fill(0.0);
        let mut total =
            Moments { count: 0.0, mean: &mut state.total_mean, m2: &mut state.total_m2 };
        for shard in self.active() {
            let part = &read(shard).norms[bn];
            total.merge(part.count, |c| part.mean[c], |c| part.m2[c]);
        }
        state.count = total.count;
        let (gamma, beta) = (read(&self.params[first]), read(&self.params[first + 1]));
        let (mut mean, mut variance) =
            (write(&self.params[first + 2]), write(&self.params[first + 3]));
        for c in 0..state.mean.len() {
            let (m, v) = (state.total_mean[c], state.total_m2[c] / state.count);
            state.mean[c] = m as f32;
            state.scale[c] = (f64::from(gamma.value[c]) / (v + EPSILON).sqrt()) as f32;
            let moved = |old: f32, new: f64| old * MOMENTUM + new as f32 * REST;
            mean.value[c] = moved(mean.value[c], m);
            variance.value[c] = moved(variance.value[c], v);
        }
        state.beta.copy_from_slice(&beta.value);
    }

    fn merge_sums(&self, i: usize) {
        let (first, bn) = self.norm(i);
        let state = &mut *write(&self.norms[bn]);
        let c = state.mean.len();
        // The batch's gradients of gamma and beta stand in shard 0; the other shards hold zeroes.
        let (head, rest) = self.active().split_first().expect("a batch has shards");
        let head = &mut *write(head);
        for shard in rest {
            let part = &read(shard).norms[bn].sums;
            head.norms[bn].sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        for j in 0..c {
            let (d, tilted) = (head.norms[bn].sums[j], head.norms[bn].sums[c + j]);
            let inverse = 1.0 / (state.total_m2[j] / state.count + EPSILON).sqrt();
            state.shift[j] = (d / state.count) as f32;
            state.tilt[j] = (tilted / state.count * inverse * inverse) as f32;
            head.gradients[first][j] = (tilted * inverse) as f32;
            head.gradients[first + 1][j] = d as f32;
        }
    }

    /// Sets every normalisation to its moving statistics.
    pub(crate) fn use_moving_statistics(&self) {
        for i in 0..self.network.nodes.len() {
            let Op::Norm { first, bn, .. } = self.network.nodes[i].op else { continue };
            let param = |part: usize| read(&self.params[first + part]);
            let (gamma, beta, mean, variance) = (param(0), param(1), param(2), param(3));
            let state = &mut *write(&self.norms[bn]);
            state.mean.copy_from_slice(&mean.value);
            state.beta.copy_from_slice(&beta.value);
            for (c, scale) in state.scale.iter_mut().enumerate() {
                let deviation = (f64::from(variance.value[c]) + EPSILON).sqrt();
                *scale = (f64::from(gamma.value[c]) / deviation) as f32;
            }
        }
    }
}
