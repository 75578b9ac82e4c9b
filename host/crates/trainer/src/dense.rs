//! Dense layers: a shard's images at once, a piece of the weights after another. The gradient of the
//! weights is not a shard's business: the update makes it of the whole batch, see `weights`.

use mobula_kernels::conv::{self, Layer};
use mobula_kernels::map::{self, View, ViewMut};
use mobula_kernels::shape::Map;

use crate::core::{Core, read};
use crate::network::{Node, Op};
use crate::shard::Shard;

pub(crate) fn forward(core: &Core, shard: &mut Shard, i: usize) {
    let Node { op, from, to, .. } = core.network.nodes[i];
    let Op::Dense { kernel, bias, slope } = op else { unreachable!("the step is a dense one's") };
    let n = shard.images();
    let (before, after) = shard.values.split_at_mut(i + 1);
    let (x, y) = (&before[i][..n * from.len()], &mut after[0][..n * to.len()]);
    let bias = read(core.param(bias));
    for (piece, param) in core.pieces(kernel) {
        let layer = Layer { packed: &read(param).forward, scale: None, bias: &bias.value, slope };
        conv::dense_forward(core.cpu, n, x, piece.rows(), layer, y);
    }
}

pub(crate) fn backward(core: &Core, shard: &mut Shard, i: usize) {
    let (cpu, Node { op, from, to, .. }) = (core.cpu, core.network.nodes[i]);
    let Op::Dense { kernel, bias, slope } = op else { unreachable!("the step is a dense one's") };
    let n = shard.images();
    // The batch as one map: n rows of one pixel.
    let rows = Map::new(n, 1, to.len());
    if slope != 1.0 {
        let y = View::new(rows, &shard.values[i + 1][..rows.len()]);
        let dy = View::new(rows, &shard.grads[i + 1][..rows.len()]);
        let dz = ViewMut::new(rows, &mut shard.inner[i][..rows.len()]);
        map::activate_grad(cpu, y, dy, slope, dz);
    }
    let (d_before, d_after) = shard.grads.split_at_mut(i + 1);
    let dz = if slope == 1.0 { &d_after[0] } else { &shard.inner[i] };
    let dz = &dz[..rows.len()];
    map::channel_sums(cpu, View::new(rows, dz), true, &mut shard.gradients[bias]);
    if i > 0 {
        let dx = &mut d_before[i][..n * from.len()];
        for (piece, param) in core.pieces(kernel) {
            conv::dense_input_grad(cpu, n, dz, &read(param).backward, piece.rows(), dx);
        }
    }
}
