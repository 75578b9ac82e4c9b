//! What a shard computes at each step of the program. Merging over shards is `core`'s business.

use mobula_kernels::conv::{self, Layer};
use mobula_kernels::loss;
use mobula_kernels::map::{self, Augment, Dropout, View, ViewMut};
use mobula_kernels::norm::{self, Centre, Moments, Norm};

use crate::core::{Context, Core, NormState, read};
use crate::network::{Node, Op};
use crate::program::{Group, Step};
use crate::random::{Purpose, Stream};
use crate::shard::{Shard, image, image_mut};

/// Runs a group on all images of a shard.
pub(crate) fn run(core: &Core, context: &Context, shard: &mut Shard, group: &Group) {
    if shard.images() == 0 {
        return;
    }
    if !group.per_image {
        for step in &group.steps {
            match *step {
                Step::Forward(i) => dense_forward(core, shard, i),
                Step::Backward(i) => dense_backward(core, shard, i),
                _ => score(core, context, shard),
            }
        }
        return;
    }
    for b in 0..shard.images() {
        for step in &group.steps {
            match *step {
                Step::Load => load(core, context, shard, b),
                Step::Forward(i) => forward(core, context, shard, i, b),
                Step::Backward(i) => backward(core, context, shard, i, b),
                Step::Stats(i) | Step::Apply(i) => norm_forward(core, shard, *step, i, b),
                Step::Sums(i) | Step::Grad(i) => norm_backward(core, shard, *step, i, b),
                Step::Loss => unreachable!("the loss belongs to whole shards"),
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
    let to = image_mut(&mut shard.values[0], map.len(), b);
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

fn forward(core: &Core, context: &Context, shard: &mut Shard, i: usize, b: usize) {
    let (cpu, Node { op, from, to, .. }) = (core.cpu, core.network.nodes[i]);
    let (before, after) = shard.values.split_at_mut(i + 1);
    let x = image(&before[i], from.len(), b);
    let y = image_mut(&mut after[0], to.len(), b);
    match op {
        Op::Conv { conv, kernel, bias, slope, .. } => {
            let (kernel, bias) = (read(&core.params[kernel]), read(&core.params[bias]));
            let layer = Layer { packed: &kernel.forward, bias: &bias.value, slope };
            conv::forward(cpu, conv, x, layer, to, y);
        }
        Op::Activate { slope } => {
            map::activate(cpu, View::new(from, x), slope, ViewMut::new(to, y));
        }
        Op::Pool => map::max_pool(cpu, View::new(from, x), ViewMut::new(to, y)),
        Op::Dropout { rate } => match dropout(context, shard.indices[b], i, rate) {
            Some(drop) => map::dropout(cpu, drop, View::new(from, x), ViewMut::new(to, y)),
            None => map::activate(cpu, View::new(from, x), 1.0, ViewMut::new(to, y)),
        },
        Op::GlobalPool => map::global_avg_pool(cpu, View::new(from, x), y),
        Op::Dense { .. } | Op::Norm { .. } => unreachable!("these have steps of their own"),
    }
}

fn backward(core: &Core, context: &Context, shard: &mut Shard, i: usize, b: usize) {
    let (cpu, node) = (core.cpu, core.network.nodes[i]);
    let at = |value: usize| if core.program.transient[value] { 0 } else { b };
    let (d_before, d_after) = shard.grads.split_at_mut(i + 1);
    let dy = image(&d_after[0], node.d_to.len(), at(i + 1));
    let x = image(&shard.values[i], node.from.len(), b);
    let y = View::new(node.to, image(&shard.values[i + 1], node.to.len(), b));
    if let Op::Conv { conv, kernel, bias, slope, direct } = node.op {
        let padded = conv.output().padded();
        let dz = if direct {
            dy
        } else {
            let (dy, inner) = (View::new(node.d_to, dy), &mut shard.inner[i]);
            map::activate_grad(cpu, y, dy, slope, ViewMut::new(padded, inner));
            &shard.inner[i]
        };
        conv::weight_grad(cpu, conv, x, dz, b == 0, &mut shard.gradients[kernel]);
        map::channel_sums(cpu, View::new(padded, dz), b == 0, &mut shard.gradients[bias]);
        if i > 0 {
            let dx = image_mut(&mut d_before[i], node.d_from.len(), at(i));
            conv::input_grad(cpu, conv, dz, &read(&core.params[kernel]).backward, node.d_from, dx);
        }
        return;
    }
    if i == 0 {
        return;
    }
    let dx = image_mut(&mut d_before[i], node.d_from.len(), at(i));
    let (x, dy_view) = (View::new(node.from, x), View::new(node.d_to, dy));
    let dx = ViewMut::new(node.d_from, dx);
    match node.op {
        Op::Activate { slope } => map::activate_grad(cpu, y, dy_view, slope, dx),
        Op::Pool => map::max_pool_grad(cpu, x, y, dy_view, dx),
        Op::Dropout { rate } => match dropout(context, shard.indices[b], i, rate) {
            Some(drop) => map::dropout(cpu, drop, dy_view, dx),
            None => map::activate(cpu, dy_view, 1.0, dx),
        },
        Op::GlobalPool => map::global_avg_pool_grad(dy, dx),
        _ => unreachable!("these have steps of their own"),
    }
}

fn norm_of(state: &NormState, slope: f32) -> Norm<'_> {
    Norm { mean: &state.mean, scale: &state.scale, beta: &state.beta, slope }
}

fn norm_forward(core: &Core, shard: &mut Shard, step: Step, i: usize, b: usize) {
    let Node { op, from, to, .. } = core.network.nodes[i];
    let Op::Norm { bn, slope, .. } = op else { unreachable!("the step is a normalisation's") };
    let (before, after) = shard.values.split_at_mut(i + 1);
    let z = View::new(from, image(&before[i], from.len(), b));
    if let Step::Stats(_) = step {
        let sums = &mut shard.norms[bn];
        let mut moments = Moments { count: sums.count, mean: &mut sums.mean, m2: &mut sums.m2 };
        norm::moments(core.cpu, z, &mut moments, &mut shard.scratch);
        sums.count = moments.count;
    } else {
        let y = ViewMut::new(to, image_mut(&mut after[0], to.len(), b));
        norm::apply(core.cpu, norm_of(&read(&core.norms[bn]), slope), z, y);
    }
}

fn norm_backward(core: &Core, shard: &mut Shard, step: Step, i: usize, b: usize) {
    let node = core.network.nodes[i];
    let Op::Norm { bn, slope, .. } = node.op else { unreachable!("the step is a normalisation's") };
    let at = |value: usize| if core.program.transient[value] { 0 } else { b };
    let (d_before, d_after) = shard.grads.split_at_mut(i + 1);
    let dy = View::new(node.d_to, image(&d_after[0], node.d_to.len(), at(i + 1)));
    let z = View::new(node.from, image(&shard.values[i], node.from.len(), b));
    let state = read(&core.norms[bn]);
    let norm = norm_of(&state, slope);
    if let Step::Sums(_) = step {
        let (sums, scratch) = (&mut shard.norms[bn].sums, &mut shard.scratch);
        norm::sums(core.cpu, norm, z, dy, sums, scratch);
    } else if i > 0 {
        let centre = Centre { mean: &state.shift, tilt: &state.tilt };
        let dz = image_mut(&mut d_before[i], node.d_from.len(), at(i));
        norm::grad(core.cpu, norm, centre, z, dy, ViewMut::new(node.d_from, dz));
    }
}

fn dense_forward(core: &Core, shard: &mut Shard, i: usize) {
    let Node { op, from, to, .. } = core.network.nodes[i];
    let Op::Dense { kernel, bias, slope } = op else { unreachable!("the step is a dense one's") };
    let n = shard.images();
    let (before, after) = shard.values.split_at_mut(i + 1);
    let (x, y) = (&before[i][..n * from.len()], &mut after[0][..n * to.len()]);
    let (kernel, bias) = (read(&core.params[kernel]), read(&core.params[bias]));
    let layer = Layer { packed: &kernel.forward, bias: &bias.value, slope };
    conv::dense_forward(core.cpu, n, x, layer, y);
}

fn dense_backward(core: &Core, shard: &mut Shard, i: usize) {
    let (cpu, Node { op, from, to, .. }) = (core.cpu, core.network.nodes[i]);
    let Op::Dense { kernel, bias, slope } = op else { unreachable!("the step is a dense one's") };
    let n = shard.images();
    let (d_before, d_after) = shard.grads.split_at_mut(i + 1);
    // The batch as one map: n rows of one pixel.
    let rows = mobula_kernels::shape::Map::new(n, 1, to.len());
    let mut dz = &d_after[0][..rows.len()];
    if slope != 1.0 {
        let y = View::new(rows, &shard.values[i + 1][..rows.len()]);
        let inner = &mut shard.inner[i][..rows.len()];
        map::activate_grad(cpu, y, View::new(rows, dz), slope, ViewMut::new(rows, inner));
        dz = &shard.inner[i][..rows.len()];
    }
    let x = &shard.values[i][..n * from.len()];
    conv::dense_weight_grad(cpu, n, x, dz, &mut shard.gradients[kernel]);
    map::channel_sums(cpu, View::new(rows, dz), true, &mut shard.gradients[bias]);
    if i > 0 {
        let dx = &mut d_before[i][..n * from.len()];
        conv::dense_input_grad(cpu, n, dz, &read(&core.params[kernel]).backward, dx);
    }
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
