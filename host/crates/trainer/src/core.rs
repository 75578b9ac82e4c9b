//! The state that threads share and the jobs they run on it: shards, merges, the update (`weights`).
//!
//! Each lock is held by one part of a job at a time; they stand in for borrows that outlive a
//! call, and are never contended for long.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use mobula_kernels::Cpu;
use mobula_kernels::norm::Moments;
use mobula_kernels::optim::SHARDS_MAX;
use mobula_kernels::winograd::Winograd;

use crate::buffer::Buffer;
use crate::network::{Network, Node, Op};
use crate::pool::Work;
use crate::program::{Merge, Program, Way};
use crate::shard::Shard;
use crate::step;
use crate::weights::{self, Param, Piece, Update};

/// Keras' BatchNormalization: momentum, 1 - momentum (rounded once) and ε.
const MOMENTUM: f32 = 0.99;
const REST: f32 = 0.01;
const EPSILON: f64 = 1e-3;

/// A normalisation as this batch sees it, see `mobula_kernels::norm`.
#[derive(Debug)]
pub(crate) struct NormState {
    pub(crate) mean: Vec<f32>,
    pub(crate) scale: Vec<f32>,
    pub(crate) beta: Vec<f32>,
    /// Mean of the gradient; in evaluation what a convolution adds that does the normalisation.
    pub(crate) shift: Vec<f32>,
    pub(crate) tilt: Vec<f32>,
    count: f64,
    total_mean: Vec<f64>,
    total_m2: Vec<f64>,
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

/// A job's parts are shards, or pieces of tensors for the update and the packing.
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
    /// What each `Param` holds, and the ones of each tensor.
    pub(crate) pieces: Vec<Piece>,
    pub(crate) pieces_of: Vec<Range<usize>>,
    pub(crate) params: Vec<RwLock<Param>>,
    pub(crate) norms: Vec<RwLock<NormState>>,
    pub(crate) shards: Vec<RwLock<Shard>>,
    /// One for each thread, for what lives within a step.
    scratch: Vec<Mutex<Buffer>>,
    pub(crate) context: RwLock<Context>,
    /// Trained pieces, the largest first, so that the last thread does not end late.
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
        let (groups, way) = match job {
            Job::Train(segment) => (&self.program.train[segment].groups, Way::of(segment)),
            Job::Infer => (&self.program.infer, Way::Up),
            Job::Update => return self.update(self.update_order[part], &mut self.scratch(worker)),
            Job::Pack => return self.pack(self.update_order[part]),
        };
        let context = *read(&self.context);
        let part = match way {
            Way::Up => part,
            Way::Down => context.shards - 1 - part,
        };
        let mut shard = write(&self.shards[part]);
        let mut scratch = self.scratch(worker);
        for group in groups {
            step::run(self, &context, &mut shard, &mut scratch, (group, way));
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
    tiles.fold(weights::scratch_len(network).max(2 * widest), usize::max)
}

impl Core {
    pub(crate) fn new(how: How, network: Network, context: Context) -> Self {
        let How { cpu, fast, threads } = how;
        let program = Program::new(&network, fast);
        let tiles = network.nodes.iter().map(|node| match node.op {
            Op::Conv { conv, .. } if fast => Winograd::of(conv),
            _ => None,
        });
        let winograd: Vec<_> = tiles.collect();
        let scratch = scratch_len(cpu, &network, &program, &winograd);
        let scratch = (0..threads).map(|_| Mutex::new(Buffer::zeroed(scratch))).collect();
        let pieces = Piece::all(&network);
        let of = |i: usize| {
            let first = pieces.partition_point(|piece| piece.tensor < i);
            first..pieces.partition_point(|piece| piece.tensor <= i)
        };
        let pieces_of = (0..network.tensors.len()).map(of).collect();
        let params = pieces.iter().map(|_| RwLock::default()).collect();
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
        let mut update_order: Vec<_> = (0..pieces.len())
            .filter(|at| network.tensors[pieces[*at].tensor].role.trained())
            .collect();
        update_order.sort_by_key(|at| std::cmp::Reverse(pieces[*at].floats.len()));
        let shards = (0..SHARDS_MAX).map(|_| RwLock::default()).collect();
        let context = RwLock::new(context);
        Self {
            cpu,
            network,
            program,
            winograd,
            pieces,
            pieces_of,
            params,
            norms,
            shards,
            scratch,
            context,
            update_order,
        }
    }

    fn scratch(&self, worker: usize) -> MutexGuard<'_, Buffer> {
        self.scratch[worker].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Floats of the scratch of all threads.
    pub(crate) fn scratch_len(&self) -> usize {
        (0..self.scratch.len()).map(|worker| self.scratch(worker).len()).sum()
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
        let (gamma, beta) = (read(self.param(first)), read(self.param(first + 1)));
        let (mut mean, mut variance) = (write(self.param(first + 2)), write(self.param(first + 3)));
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
            let param = |part: usize| read(self.param(first + part));
            let (gamma, beta, mean, variance) = (param(0), param(1), param(2), param(3));
            let state = &mut *write(&self.norms[bn]);
            state.mean.copy_from_slice(&mean.value);
            state.beta.copy_from_slice(&beta.value);
            for (c, scale) in state.scale.iter_mut().enumerate() {
                let deviation = (f64::from(variance.value[c]) + EPSILON).sqrt();
                *scale = (f64::from(gamma.value[c]) / deviation) as f32;
            }
            // Where a convolution does the normalisation: (sum + bias - mean) · scale + β.
            let Some(Node { op: Op::Conv { bias, .. }, .. }) =
                i.checked_sub(1).map(|i| self.network.nodes[i])
            else {
                continue;
            };
            let bias = read(self.param(bias));
            for (c, shift) in state.shift.iter_mut().enumerate() {
                *shift = (bias.value[c] - state.mean[c]).mul_add(state.scale[c], state.beta[c]);
            }
        }
    }
}
