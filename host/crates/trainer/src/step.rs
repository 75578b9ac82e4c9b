//! What a shard computes at each step of the program. Merging over shards is `core`'s business.

use std::ops::Range;

use mobula_kernels::conv::{self, Layer};
use mobula_kernels::map::{self, Augment, Dropout, Stack, StackMut, View, ViewMut};
use mobula_kernels::norm::{self, Centre, Moments, Norm};
use mobula_kernels::{Cpu, loss, winograd};

use crate::core::{Context, Core, NormState, read};
use crate::dense;
use crate::network::{Node, Op};
use crate::program::{Group, Life, Lot, Step, Way};
use crate::random::{Purpose, Stream};
use crate::shard::{Shard, images, images_mut};

/// A step as it is run: the lot of images, and what all steps on a thread share.
struct Stage<'a> {
    core: &'a Core,
    context: &'a Context,
    lot: Range<usize>,
    /// Whether no lot of the shard came before: sums start here.
    first: bool,
    scratch: &'a mut [f32],
}

/// Runs a group on all images of a shard; `scratch` is the thread's own.
pub(crate) fn run(
    core: &Core,
    context: &Context,
    shard: &mut Shard,
    scratch: &mut [f32],
    (group, way): (&Group, Way),
) {
    let n = shard.images();
    let size = match group.lot {
        Lot::Images(images) => images,
        Lot::Shard => n.max(1),
    };
    let lots = n.div_ceil(size);
    for turn in 0..lots {
        let start = size * if way == Way::Up { turn } else { lots - 1 - turn };
        let (lot, first) = (start..(start + size).min(n), turn == 0);
        let mut stage = Stage { core, context, lot, first, scratch };
        for step in &group.steps {
            stage.run(shard, *step);
        }
    }
}

impl Stage<'_> {
    fn run(&mut self, shard: &mut Shard, step: Step) {
        let is_dense = |i: usize| matches!(self.core.network.nodes[i].op, Op::Dense { .. });
        match step {
            Step::Load => self.lot.clone().for_each(|b| load(self.core, self.context, shard, b)),
            Step::Forward(i) if is_dense(i) => dense::forward(self.core, shard, i),
            Step::Forward(i) => self.forward(shard, i),
            Step::Folded(i) => self.folded(shard, i),
            Step::Backward(i) if is_dense(i) => dense::backward(self.core, shard, i),
            Step::Backward(i) => self.backward(shard, i),
            Step::Stats(i) | Step::Apply(i) => self.norm_forward(shard, step, i),
            Step::Sums(i) | Step::Grad(i) => self.norm_backward(shard, step, i),
            Step::Loss => score(self.core, self.context, shard),
        }
    }

    /// Where this lot stands in the buffer of value `i`.
    fn value(&self, i: usize) -> Range<usize> {
        self.place(self.core.program.values[i])
    }

    /// Where this lot stands in the buffer of value `i`'s gradient.
    fn grad(&self, i: usize) -> Range<usize> {
        self.place(self.core.program.grads[i])
    }

    fn place(&self, life: Life) -> Range<usize> {
        match life {
            Life::Lot(_) => 0..self.lot.len(),
            Life::Shard => self.lot.clone(),
        }
    }

    fn forward(&mut self, shard: &mut Shard, i: usize) {
        let (core, Node { op, from, to, .. }) = (self.core, self.core.network.nodes[i]);
        let (before, after) = shard.values.split_at_mut(i + 1);
        let x = images(&before[i], from.len(), self.value(i));
        let y = images_mut(&mut after[0], to.len(), self.value(i + 1));
        if let Op::Conv { kernel, bias, slope, .. } = op {
            let (kernel, bias) = (read(core.param(kernel)), read(core.param(bias)));
            let layer = Layer { packed: &kernel.forward, scale: None, bias: &bias.value, slope };
            return self.convolve(i, Stack::new(from, x), layer, StackMut::new(to, y));
        }
        let pairs = x.chunks_exact(from.len()).zip(y.chunks_exact_mut(to.len()));
        for (b, (x, y)) in self.lot.clone().zip(pairs) {
            let drop = match op {
                Op::Dropout { rate } => dropout(self.context, shard.indices[b], i, rate),
                _ => None,
            };
            map_forward(core.cpu, op, drop, View::new(from, x), ViewMut::new(to, y));
        }
    }

    /// Node i, a convolution, with the normalisation that is the next node.
    fn folded(&mut self, shard: &mut Shard, i: usize) {
        let (core, Node { op, from, .. }) = (self.core, self.core.network.nodes[i]);
        let Node { op: next, to, .. } = core.network.nodes[i + 1];
        let (Op::Conv { kernel, .. }, Op::Norm { bn, slope, .. }) = (op, next) else {
            unreachable!("the step is a convolution's with its normalisation")
        };
        let (before, after) = shard.values.split_at_mut(i + 2);
        let x = images(&before[i], from.len(), self.value(i));
        let y = images_mut(&mut after[0], to.len(), self.value(i + 2));
        let (kernel, norm) = (read(core.param(kernel)), read(&core.norms[bn]));
        let (scale, bias) = (Some(&norm.scale[..]), &norm.shift[..]);
        let layer = Layer { packed: &kernel.forward, scale, bias, slope };
        self.convolve(i, Stack::new(from, x), layer, StackMut::new(to, y));
    }

    fn convolve(&mut self, i: usize, x: Stack<'_>, layer: Layer<'_>, y: StackMut<'_>) {
        let core = self.core;
        let Op::Conv { conv, .. } = core.network.nodes[i].op else {
            unreachable!("the node is a convolution")
        };
        match core.winograd[i] {
            Some(wino) => winograd::forward(core.cpu, wino, x, layer, y, self.scratch),
            None => conv::forward_all(core.cpu, conv, x, layer, y),
        }
    }

    fn backward(&mut self, shard: &mut Shard, i: usize) {
        if let Op::Conv { .. } = self.core.network.nodes[i].op {
            return self.conv_backward(shard, i);
        }
        if i == 0 {
            return;
        }
        let (core, node) = (self.core, self.core.network.nodes[i]);
        let (d_before, d_after) = shard.grads.split_at_mut(i + 1);
        let dx = images_mut(&mut d_before[i], node.d_from.len(), self.grad(i));
        let dy = images(&d_after[0], node.d_to.len(), self.grad(i + 1));
        let x = images(&shard.values[i], node.from.len(), self.value(i));
        let y = images(&shard.values[i + 1], node.to.len(), self.value(i + 1));
        let values = x.chunks_exact(node.from.len()).zip(y.chunks_exact(node.to.len()));
        let grads = dy.chunks_exact(node.d_to.len()).zip(dx.chunks_exact_mut(node.d_from.len()));
        for (b, ((x, y), (dy, dx))) in self.lot.clone().zip(values.zip(grads)) {
            let drop = match node.op {
                Op::Dropout { rate } => dropout(self.context, shard.indices[b], i, rate),
                _ => None,
            };
            let (x, y) = (View::new(node.from, x), View::new(node.to, y));
            let (dy, dx) = (View::new(node.d_to, dy), ViewMut::new(node.d_from, dx));
            map_backward(core.cpu, (node.op, drop), (x, y), dy, dx);
        }
    }

    fn conv_backward(&mut self, shard: &mut Shard, i: usize) {
        let (core, node) = (self.core, self.core.network.nodes[i]);
        let Op::Conv { conv, kernel, bias, slope, direct } = node.op else {
            unreachable!("the node is a convolution")
        };
        let (cpu, padded) = (core.cpu, conv.output().padded());
        let (d_before, d_after) = shard.grads.split_at_mut(i + 1);
        let mut dz = images(&d_after[0], node.d_to.len(), self.grad(i + 1));
        if !direct {
            let inner = images_mut(&mut shard.inner[i], padded.len(), 0..self.lot.len());
            let y = images(&shard.values[i + 1], node.to.len(), self.value(i + 1));
            let pairs = y.chunks_exact(node.to.len()).zip(dz.chunks_exact(node.d_to.len()));
            for ((y, dy), dz) in pairs.zip(inner.chunks_exact_mut(padded.len())) {
                let (y, dy) = (View::new(node.to, y), View::new(node.d_to, dy));
                map::activate_grad(cpu, y, dy, slope, ViewMut::new(padded, dz));
            }
            dz = images(&shard.inner[i], padded.len(), 0..self.lot.len());
        }
        let first = self.first;
        for (at, dz) in dz.chunks_exact(padded.len()).enumerate() {
            let fresh = first && at == 0;
            map::channel_sums(cpu, View::new(padded, dz), fresh, &mut shard.gradients[bias]);
        }
        let x = images(&shard.values[i], node.from.len(), self.value(i));
        let dx = (i > 0).then(|| images_mut(&mut d_before[i], node.d_from.len(), self.grad(i)));
        let dw = &mut shard.gradients[kernel];
        let kernel = read(core.param(kernel));
        if let Some(wino) = core.winograd[i] {
            let (x, dz) = (Stack::new(node.from, x), Stack::new(padded, dz));
            winograd::weight_grad(cpu, wino, x, dz, first, dw, self.scratch);
            if let Some(dx) = dx {
                let dx = StackMut::new(node.d_from, dx);
                winograd::input_grad(cpu, wino, dz, &kernel.backward, dx, self.scratch);
            }
            return;
        }
        let pairs = x.chunks_exact(node.from.len()).zip(dz.chunks_exact(padded.len()));
        for (at, (x, dz)) in pairs.enumerate() {
            conv::weight_grad(cpu, conv, x, dz, first && at == 0, dw);
        }
        if let Some(dx) = dx {
            let pairs = dz.chunks_exact(padded.len()).zip(dx.chunks_exact_mut(node.d_from.len()));
            for (dz, dx) in pairs {
                conv::input_grad(cpu, conv, dz, &kernel.backward, node.d_from, dx);
            }
        }
    }

    fn norm_forward(&mut self, shard: &mut Shard, step: Step, i: usize) {
        let (core, Node { op, from, to, .. }) = (self.core, self.core.network.nodes[i]);
        let Op::Norm { bn, slope, pool, .. } = op else {
            unreachable!("the step is a normalisation's")
        };
        let (before, after) = shard.values.split_at_mut(i + 1);
        let z = images(&before[i], from.len(), self.value(i));
        let z = z.chunks_exact(from.len()).map(|z| View::new(from, z));
        if let Step::Stats(_) = step {
            let sums = &mut shard.norms[bn];
            let mut moments = Moments { count: sums.count, mean: &mut sums.mean, m2: &mut sums.m2 };
            z.for_each(|z| norm::moments(core.cpu, z, &mut moments, self.scratch));
            sums.count = moments.count;
            return;
        }
        let state = read(&core.norms[bn]);
        let norm = norm_of(&state, slope);
        let y = images_mut(&mut after[0], to.len(), self.value(i + 1));
        for (z, y) in z.zip(y.chunks_exact_mut(to.len())) {
            let y = ViewMut::new(to, y);
            match pool {
                true => norm::apply_pooled(core.cpu, norm, z, y),
                false => norm::apply(core.cpu, norm, z, y),
            }
        }
    }

    fn norm_backward(&mut self, shard: &mut Shard, step: Step, i: usize) {
        let (core, node) = (self.core, self.core.network.nodes[i]);
        let Op::Norm { bn, slope, pool, .. } = node.op else {
            unreachable!("the step is a normalisation's")
        };
        let (d_before, d_after) = shard.grads.split_at_mut(i + 1);
        let dy = images(&d_after[0], node.d_to.len(), self.grad(i + 1));
        let z = images(&shard.values[i], node.from.len(), self.value(i));
        let state = read(&core.norms[bn]);
        let norm = norm_of(&state, slope);
        let pairs = z.chunks_exact(node.from.len()).zip(dy.chunks_exact(node.d_to.len()));
        let pairs = pairs.map(|(z, dy)| (View::new(node.from, z), View::new(node.d_to, dy)));
        if let Step::Sums(_) = step {
            let sums = &mut shard.norms[bn].sums;
            for (z, dy) in pairs {
                match pool {
                    true => norm::sums_pooled(core.cpu, norm, z, dy, sums, self.scratch),
                    false => norm::sums(core.cpu, norm, z, dy, sums, self.scratch),
                }
            }
        } else if i > 0 {
            let centre = Centre { mean: &state.shift, tilt: &state.tilt };
            let dz = images_mut(&mut d_before[i], node.d_from.len(), self.grad(i));
            for ((z, dy), dz) in pairs.zip(dz.chunks_exact_mut(node.d_from.len())) {
                let dz = ViewMut::new(node.d_from, dz);
                match pool {
                    true => norm::grad_pooled(core.cpu, norm, centre, z, dy, dz),
                    false => norm::grad(core.cpu, norm, centre, z, dy, dz),
                }
            }
        }
    }
}

fn load(core: &Core, context: &Context, shard: &mut Shard, b: usize) {
    let map = core.network.input;
    let mut augment = Augment::default();
    if context.training && (context.flip || context.translate > 0) {
        let at = [context.epoch, context.step, u64::from(shard.indices[b])];
        let mut draws = Stream::new(context.seed, Purpose::Augment, at);
        augment.flip = context.flip && draws.next() >> 63 == 1;
        let reach = i64::from(context.translate);
        let mut shift = || (draws.below(2 * reach as u64 + 1) as i64 - reach) as i32;
        (augment.down, augment.right) = (shift(), shift());
    }
    let pixels = &shard.pixels[b * map.values()..][..map.values()];
    let to = images_mut(&mut shard.values[0], map.len(), b..b + 1);
    map::load(pixels, augment, ViewMut::new(map, to));
}

/// The dropout of a node for an image, if it drops now.
fn dropout(context: &Context, index: u32, i: usize, rate: f32) -> Option<Dropout> {
    (context.training && context.dropout && rate > 0.0).then(|| {
        // The node takes the low bits of the step's word: networks have far below 2^16 nodes.
        let at = [context.epoch, (context.step << 16) | i as u64, u64::from(index)];
        Dropout { key: Stream::new(context.seed, Purpose::Dropout, at).next(), rate }
    })
}

/// One image through a node without weights.
fn map_forward(cpu: Cpu, op: Op, drop: Option<Dropout>, x: View<'_>, y: ViewMut<'_>) {
    match (op, drop) {
        (Op::Activate { slope }, _) => map::activate(cpu, x, slope, y),
        (Op::Pool { .. }, _) => map::max_pool(cpu, x, y),
        (Op::Dropout { .. }, Some(drop)) => map::dropout(cpu, drop, x, y),
        (Op::Dropout { .. }, None) => map::activate(cpu, x, 1.0, y),
        (Op::GlobalPool, _) => map::global_avg_pool(cpu, x, y),
        _ => unreachable!("these have steps of their own"),
    }
}

/// One image's gradient through a node without weights, whose input and output were `x` and `y`.
fn map_backward(
    cpu: Cpu,
    (op, drop): (Op, Option<Dropout>),
    (x, y): (View<'_>, View<'_>),
    dy: View<'_>,
    dx: ViewMut<'_>,
) {
    match (op, drop) {
        (Op::Activate { slope }, _) => map::activate_grad(cpu, y, dy, slope, dx),
        (Op::Pool { slope }, _) => map::max_pool_grad(cpu, x, y, dy, slope, dx),
        (Op::Dropout { .. }, Some(drop)) => map::dropout(cpu, drop, dy, dx),
        (Op::Dropout { .. }, None) => map::activate(cpu, dy, 1.0, dx),
        (Op::GlobalPool, _) => map::global_avg_pool_grad(dy, dx),
        _ => unreachable!("these have steps of their own"),
    }
}

fn norm_of(state: &NormState, slope: f32) -> Norm<'_> {
    Norm { mean: &state.mean, scale: &state.scale, beta: &state.beta, slope }
}

/// Loss and hits of the shard, and in training the gradient of the logits.
fn score(core: &Core, context: &Context, shard: &mut Shard) {
    let (k, n) = (core.network.classes, shard.images());
    if shard.labels.len() != n {
        return;
    }
    let logits = &shard.values[core.network.nodes.len()][..n * k];
    let smoothing = if context.training { context.smoothing } else { 0.0 };
    shard.score = loss::cross_entropy(logits, k, &shard.labels, smoothing);
    if context.training {
        let d = &mut shard.grads[core.network.nodes.len()][..n * k];
        d.copy_from_slice(logits);
        let scale = 1.0 / context.batch as f32;
        loss::cross_entropy_grad(d, k, &shard.labels, smoothing, scale);
    }
}
