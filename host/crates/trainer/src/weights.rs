//! The tensors, what the optimizer knows of them, and how they move. The kernels of dense layers, which
//! are most of a network's weights, are kept in pieces of some rows, so that threads share their update.

use std::ops::Range;
use std::sync::RwLock;

use mobula_kernels::conv;
use mobula_kernels::optim::{self, Adam, Gradients, Nesterov, SHARDS_MAX};
use mobula_kernels::winograd;

use crate::buffer::Buffer;
use crate::core::{Core, read, write};
use crate::network::{Network, Node, Op};

/// A piece of a tensor, the optimizer's moments of it, and its weights in the kernels' order.
#[derive(Debug, Default)]
pub(crate) struct Param {
    pub(crate) value: Vec<f32>,
    pub(crate) m: Vec<f32>,
    pub(crate) v: Vec<f32>,
    pub(crate) forward: Buffer,
    pub(crate) backward: Buffer,
}

/// How the optimizer moves this step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Update {
    /// With the decay of kernels apart.
    Adam(Adam),
    Nesterov(Nesterov),
}

/// Rows of a dense kernel whose gradient is made at a time, from all images, and used while it is in
/// the first cache: four register tiles.
const BLOCK: usize = 48;
/// Rows of a piece are a multiple of this: of blocks, and of any panel.
const ROWS: usize = 2 * BLOCK;
/// Floats of a piece, unless that is fewer rows.
const FLOATS: usize = 1 << 16;

/// What of a tensor a `Param` holds.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) tensor: usize,
    /// The node that it is a kernel of.
    pub(crate) node: Option<usize>,
    /// Of a dense kernel: its rows.
    rows: Option<Range<usize>>,
    /// Its floats in the tensor.
    pub(crate) floats: Range<usize>,
}

impl Piece {
    /// The rows that a piece of a dense kernel is.
    pub(crate) fn rows(&self) -> Range<usize> {
        self.rows.clone().expect("a piece of a dense kernel")
    }

    /// All pieces, tensor by tensor.
    pub(crate) fn all(network: &Network) -> Vec<Self> {
        let mut pieces = Vec::new();
        for (tensor, shape) in network.tensors.iter().enumerate() {
            let node = network.nodes.iter().position(|node| match node.op {
                Op::Conv { kernel, .. } | Op::Dense { kernel, .. } => kernel == tensor,
                _ => false,
            });
            let Some((at, c, k)) =
                node.and_then(|at| dense(network.nodes[at]).map(|(c, k)| (at, c, k)))
            else {
                pieces.push(Self { tensor, node, rows: None, floats: 0..shape.len() });
                continue;
            };
            let step = (FLOATS / k / ROWS * ROWS).max(ROWS);
            pieces.extend((0..c).step_by(step).map(|first| {
                let rows = first..(first + step).min(c);
                let floats = rows.start * k..rows.end * k;
                Self { tensor, node: Some(at), rows: Some(rows), floats }
            }));
        }
        pieces
    }
}

/// Inputs and outputs of a dense node.
fn dense(node: Node) -> Option<(usize, usize)> {
    matches!(node.op, Op::Dense { .. }).then_some((node.from.c, node.to.c))
}

/// Floats that the update needs besides the tensors.
pub(crate) fn scratch_len(network: &Network) -> usize {
    let blocks = network.nodes.iter().filter_map(|node| dense(*node));
    blocks.map(|(c, k)| c.min(BLOCK) * k).max().unwrap_or(0)
}

/// The buffer at this length; only the first call makes it.
fn fit(buffer: &mut Buffer, len: usize) -> &mut [f32] {
    if buffer.len() != len {
        *buffer = Buffer::zeroed(len);
    }
    buffer
}

impl Core {
    /// The pieces of tensor `i` with what they hold.
    pub(crate) fn pieces(&self, i: usize) -> impl Iterator<Item = (&Piece, &RwLock<Param>)> {
        let range = self.pieces_of[i].clone();
        self.pieces[range.clone()].iter().zip(&self.params[range])
    }

    /// Tensor `i`, which has one piece: any but a dense kernel.
    pub(crate) fn param(&self, i: usize) -> &RwLock<Param> {
        let range = self.pieces_of[i].clone();
        assert_eq!(range.len(), 1, "a tensor of several pieces");
        &self.params[range.start]
    }

    /// Moves piece `at` by the gradients of all shards, and brings it into the kernels' order.
    pub(crate) fn update(&self, at: usize, scratch: &mut [f32]) {
        let (piece, param) = (&self.pieces[at], &mut *write(&self.params[at]));
        let Param { value, m, v, .. } = param;
        if let (Some(node), Some(rows)) = (piece.node, &piece.rows) {
            let k = self.network.nodes[node].to.c;
            for first in rows.clone().step_by(BLOCK) {
                let block = first..(first + BLOCK).min(rows.end);
                let floats = (block.start - rows.start) * k..(block.end - rows.start) * k;
                let gradient = &mut scratch[..floats.len()];
                self.dense_gradient(node, block, gradient);
                let of = |x: &mut [f32]| floats.start.min(x.len())..floats.end.min(x.len());
                let (m_of, v_of) = (of(m), of(v));
                self.step(piece, &[gradient], &mut value[floats], &mut m[m_of], &mut v[v_of]);
            }
        } else {
            let all: [_; SHARDS_MAX] = std::array::from_fn(|s| read(&self.shards[s]));
            let mut gradients: [&[f32]; SHARDS_MAX] = [&[]; SHARDS_MAX];
            for (gradients, shard) in gradients.iter_mut().zip(&all) {
                // Shards that never had images have no gradients either.
                *gradients = shard.gradients.get(piece.tensor).map_or(&[], |gradient| gradient);
            }
            let shards = read(&self.context).shards;
            self.step(piece, &gradients[..shards], value, m, v);
        }
        self.pack_piece(piece, param);
    }

    fn step(
        &self,
        piece: &Piece,
        gradients: Gradients<'_>,
        value: &mut [f32],
        m: &mut [f32],
        v: &mut [f32],
    ) {
        let update = read(&self.context).update;
        match update {
            Some(Update::Adam(mut adam)) => {
                adam.decay = if piece.node.is_some() { adam.decay } else { 0.0 };
                optim::adam(self.cpu, adam, gradients, value, m, v);
            }
            Some(Update::Nesterov(mut sgd)) => {
                sgd.decay = if piece.node.is_some() { sgd.decay } else { 0.0 };
                optim::nesterov(self.cpu, sgd, gradients, value, m);
            }
            None => {}
        }
    }

    /// Rows `rows` of the gradient of a dense kernel, over all shards in their order.
    pub(crate) fn dense_gradient(&self, node: usize, rows: Range<usize>, to: &mut [f32]) {
        let Node { op, from, to: map, .. } = self.network.nodes[node];
        let mut fresh = true;
        for shard in self.active() {
            let shard = read(shard);
            let n = shard.images();
            if n > 0 {
                let x = &shard.values[node][..n * from.len()];
                let dz = &shard.dense_grad(node, op)[..n * map.len()];
                conv::dense_weight_grad(self.cpu, n, (x, dz), rows.clone(), fresh, to);
                fresh = false;
            }
        }
        if fresh {
            to.fill(0.0);
        }
    }

    /// Brings piece `at` into the kernels' order, if it has one.
    pub(crate) fn pack(&self, at: usize) {
        self.pack_piece(&self.pieces[at], &mut write(&self.params[at]));
    }

    fn pack_piece(&self, piece: &Piece, param: &mut Param) {
        let Some(at) = piece.node else { return };
        let node = self.network.nodes[at];
        let lens = self.packed_lens(piece);
        let Param { value, forward, backward, .. } = param;
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
        self.pieces.iter().map(|piece| self.packed_lens(piece).iter().sum::<usize>()).sum()
    }

    /// Floats of a piece in the kernels' order, forward and backward.
    fn packed_lens(&self, piece: &Piece) -> [usize; 2] {
        let Some(at) = piece.node else { return [0, 0] };
        let Node { op, from, to, .. } = self.network.nodes[at];
        let (c, k) = (from.c, to.c);
        let [forward, backward] = match (op, self.winograd[at]) {
            (Op::Conv { .. }, Some(wino)) => [wino.packed_len(self.cpu), wino.turned_len(self.cpu)],
            (Op::Conv { conv, .. }, None) => {
                let rows = conv.weights() / k;
                [(rows, k), (rows / c * k, c)].map(|(n, k)| conv::packed_len(self.cpu, n, k))
            }
            _ => {
                let rows = piece.floats.len() / k;
                [(rows, k), (k, rows)].map(|(n, k)| conv::packed_len(self.cpu, n, k))
            }
        };
        // Nothing needs the gradient of the pixels.
        [forward, if at > 0 { backward } else { 0 }]
    }
}
