//! A network with all shapes known: tensors, operations and their maps. Holds no values.

use mobula_kernels::map;
use mobula_kernels::shape::{Conv, Map};

use crate::error::TrainError;
use crate::model::Layer;
use crate::parse;
use crate::summary::{Flops, LayerSummary};

/// Bounds on a network file, far above what a CPU can train, so that no file takes all memory.
const SIDE_MAX: usize = 1024;
const WIDTH_MAX: usize = 65_536;
const PARAMETERS_MAX: usize = 1 << 28;
const VALUES_MAX: usize = 1 << 26;

/// How a tensor starts and whether the optimizer moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Glorot-uniform over these fans.
    Kernel { fan_in: usize, fan_out: usize },
    /// Trained from zero.
    Zero,
    /// Trained from one.
    One,
    /// A moving mean: from zero, not trained.
    Mean,
    /// A moving variance: from one, not trained.
    Variance,
}

impl Role {
    pub(crate) fn trained(self) -> bool {
        !matches!(self, Self::Mean | Self::Variance)
    }
}

/// One named tensor.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) role: Role,
}

impl Tensor {
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// What a node computes; numbers are indices of tensors.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// `direct`: the next node writes the gradient straight into the border that dgrad reads.
    Conv {
        conv: Conv,
        kernel: usize,
        bias: usize,
        slope: f32,
        direct: bool,
    },
    Dense {
        kernel: usize,
        bias: usize,
        slope: f32,
    },
    /// γ, β, moving mean and moving variance follow each other from `first`; `bn` counts from 0.
    /// `pool`: 2 × 2 pooling comes in the same pass.
    Norm {
        first: usize,
        bn: usize,
        slope: f32,
        pool: bool,
    },
    Activate {
        slope: f32,
    },
    /// With the slope of the activation that the layer before took into itself.
    Pool {
        slope: f32,
    },
    Dropout {
        rate: f32,
    },
    GlobalPool,
}

/// A node and the maps it reads and writes: values forward, gradients backward.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) from: Map,
    pub(crate) to: Map,
    pub(crate) d_from: Map,
    pub(crate) d_to: Map,
}

/// The whole network.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) input: Map,
    pub(crate) classes: usize,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) summary: Vec<LayerSummary>,
}

impl Network {
    /// Parses a network file and works out every shape.
    pub(crate) fn parse(text: &str) -> Result<Self, TrainError> {
        let model = parse::model(text)?;
        let fail = |reason: String| TrainError::Network { network: model.name.clone(), reason };
        let [h, w, c] = model.input;
        if ![h, w].iter().all(|side| (1..=SIDE_MAX).contains(side)) || !(1..=64).contains(&c) {
            return Err(fail(format!(
                "input {h} × {w} × {c}; sides of 1 to {SIDE_MAX}, 1 to 64 channels"
            )));
        }
        let mut builder = Builder::new(Map::new(h, w, c));
        for (i, layer) in model.layers.iter().enumerate() {
            builder.add(*layer, &model.layers[i + 1..]).map_err(|reason| TrainError::Layer {
                network: model.name.clone(),
                index: i + 1,
                kind: layer.kind().to_owned(),
                reason,
            })?;
        }
        builder.finish().map_err(fail)
    }

    /// All parameters, BatchNorm statistics included.
    pub(crate) fn parameters(&self) -> usize {
        self.tensors.iter().map(Tensor::len).sum()
    }
}

/// A network while its layers are added.
struct Builder {
    shape: Map,
    flat: bool,
    /// Layers that the node before them does as well.
    absorbed: usize,
    /// The slope of the activation that the last node ends with.
    slope: f32,
    counts: [usize; 3],
    values: usize,
    network: Network,
}

impl Builder {
    fn new(input: Map) -> Self {
        let network =
            Network { input, classes: 0, tensors: vec![], nodes: vec![], summary: vec![] };
        Self {
            shape: input,
            flat: false,
            absorbed: 0,
            slope: 1.0,
            counts: [0; 3],
            values: 0,
            network,
        }
    }

    fn add(&mut self, layer: Layer, rest: &[Layer]) -> Result<(), String> {
        let (nodes, tensors) = (self.network.nodes.len(), self.network.tensors.len());
        let done = self.absorbed > 0;
        self.absorbed = self.absorbed.saturating_sub(1);
        let name = match layer {
            Layer::Conv { filters, stride } => self.conv(filters, stride, rest)?,
            Layer::Dense { units } => {
                let (slope, _) = self.activation(rest);
                self.dense(units, slope)?
            }
            Layer::BatchNorm {} => self.norm(rest),
            Layer::Relu {} | Layer::LeakyRelu {} => {
                if !done {
                    let slope = layer.slope().expect("both are activations");
                    self.push(Op::Activate { slope }, self.shape);
                }
                layer.kind().to_owned()
            }
            _ if done => {
                self.shape = map::pooled(self.shape);
                layer.kind().to_owned()
            }
            _ => self.reshape(layer)?,
        };
        if self.network.parameters() > PARAMETERS_MAX || self.values > VALUES_MAX {
            return Err("the network is too large to train here".to_owned());
        }
        let Map { h, w, c, .. } = self.shape;
        let output = if self.flat { vec![c] } else { vec![h, w, c] };
        let flops = Flops::of(&self.network.nodes, nodes);
        let tensors = &self.network.tensors[tensors..];
        let summary = LayerSummary::new(name, layer.kind(), output, tensors, flops);
        self.network.summary.push(summary);
        Ok(())
    }

    /// Takes an activation that comes next into the node that is being made; what follows it.
    fn activation<'a>(&mut self, rest: &'a [Layer]) -> (f32, &'a [Layer]) {
        match rest.split_first() {
            Some((next, rest)) if next.slope().is_some() => {
                self.absorbed = 1;
                (next.slope().unwrap_or(1.0), rest)
            }
            _ => (1.0, rest),
        }
    }

    fn conv(&mut self, k: usize, stride: usize, rest: &[Layer]) -> Result<String, String> {
        if self.flat {
            return Err(self.needs_rows());
        }
        if !(1..=WIDTH_MAX).contains(&k) {
            return Err(format!("filters = {k}; give 1 to {WIDTH_MAX}"));
        }
        if stride != 1 && stride != 2 {
            return Err(format!("stride = {stride}; give 1 or 2"));
        }
        let (name, c) = (self.name(0, "conv"), self.shape.c);
        let role = Role::Kernel { fan_in: 9 * c, fan_out: 9 * k };
        let kernel = self.tensor(&name, "kernel", vec![3, 3, c, k], role);
        let bias = self.tensor(&name, "bias", vec![k], Role::Zero);
        let conv = Conv::new(self.shape, k, stride);
        let (slope, rest) = self.activation(rest);
        // A pool undoes the activation itself; others know nothing of it.
        let direct = match rest.first() {
            None | Some(Layer::Flatten {}) => false,
            Some(Layer::MaxPool {}) => true,
            Some(_) => slope == 1.0,
        };
        self.push(Op::Conv { conv, kernel, bias, slope, direct }, conv.output());
        self.slope = slope;
        Ok(name)
    }

    fn dense(&mut self, k: usize, slope: f32) -> Result<String, String> {
        if !self.flat {
            let Map { h, w, c, .. } = self.shape;
            return Err(format!("its input is {h} × {w} × {c}; put a flatten layer before it"));
        }
        if !(1..=WIDTH_MAX).contains(&k) {
            return Err(format!("units = {k}; give 1 to {WIDTH_MAX}"));
        }
        let (name, c) = (self.name(2, "dense"), self.shape.c);
        let role = Role::Kernel { fan_in: c, fan_out: k };
        let kernel = self.tensor(&name, "kernel", vec![c, k], role);
        let bias = self.tensor(&name, "bias", vec![k], Role::Zero);
        self.push(Op::Dense { kernel, bias, slope }, Map::new(1, 1, k));
        Ok(name)
    }

    fn norm(&mut self, rest: &[Layer]) -> String {
        let (name, bn, c) = (self.name(1, "bn"), self.counts[1] - 1, self.shape.c);
        let first = self.tensor(&name, "gamma", vec![c], Role::One);
        self.tensor(&name, "beta", vec![c], Role::Zero);
        self.tensor(&name, "moving_mean", vec![c], Role::Mean);
        self.tensor(&name, "moving_variance", vec![c], Role::Variance);
        let (slope, rest) = self.activation(rest);
        let fits = !self.flat && self.shape.h >= 2 && self.shape.w >= 2;
        let pool = fits && matches!(rest.first(), Some(Layer::MaxPool {}));
        self.absorbed += usize::from(pool);
        // The shape changes where the pool stands in the file.
        let shape = self.shape;
        let to = if pool { map::pooled(shape) } else { shape };
        self.push(Op::Norm { first, bn, slope, pool }, to);
        self.shape = shape;
        name
    }

    fn reshape(&mut self, layer: Layer) -> Result<String, String> {
        match layer {
            Layer::MaxPool {} | Layer::GlobalAvgPool {} if self.flat => {
                return Err(self.needs_rows());
            }
            Layer::MaxPool {} if self.shape.h < 2 || self.shape.w < 2 => {
                let Map { h, w, c, .. } = self.shape;
                return Err(format!(
                    "its input is {h} × {w} × {c}, and pooling needs at least 2 × 2; leave it out"
                ));
            }
            Layer::MaxPool {} => self.push(Op::Pool { slope: self.slope }, map::pooled(self.shape)),
            Layer::Dropout { rate } if !(0.0..1.0).contains(&rate) => {
                return Err(format!("rate = {rate}; give 0 to below 1"));
            }
            Layer::Dropout { rate } => self.push(Op::Dropout { rate }, self.shape),
            Layer::GlobalAvgPool {} => {
                self.push(Op::GlobalPool, Map::new(1, 1, self.shape.c));
                self.flat = true;
            }
            _ => {
                self.shape = Map::new(1, 1, self.shape.values());
                self.flat = true;
            }
        }
        Ok(layer.kind().to_owned())
    }

    /// Why a layer of maps cannot come after one that made its input flat.
    fn needs_rows(&self) -> String {
        let c = self.shape.c;
        format!(
            "it needs rows and columns, but its input is flat ({c} values); put it before the \
             flatten or global_avg_pool"
        )
    }

    fn name(&mut self, counter: usize, kind: &str) -> String {
        self.counts[counter] += 1;
        format!("{kind}{}", self.counts[counter])
    }

    fn tensor(&mut self, layer: &str, part: &str, shape: Vec<usize>, role: Role) -> usize {
        self.network.tensors.push(Tensor { name: format!("{layer}.{part}"), shape, role });
        self.network.tensors.len() - 1
    }

    fn push(&mut self, op: Op, to: Map) {
        let from = self.shape;
        self.network.nodes.push(Node { op, from, to, d_from: from, d_to: to });
        self.shape = to;
        self.slope = 1.0;
        self.values += to.padded().len();
    }

    /// Gives borders to the values that convolutions read and the gradients that they take.
    fn finish(mut self) -> Result<Network, String> {
        match self.network.nodes.last() {
            Some(Node { op: Op::Dense { slope, .. }, .. }) if *slope == 1.0 => {}
            _ => return Err("the last layer must be a dense one without activation".to_owned()),
        }
        if !(2..=256).contains(&self.shape.c) {
            return Err(format!("{} classes; labels are bytes, so 2 to 256", self.shape.c));
        }
        self.network.classes = self.shape.c;
        let nodes = &mut self.network.nodes;
        for i in 0..nodes.len() {
            if let Op::Conv { direct, .. } = nodes[i].op {
                nodes[i].from = nodes[i].from.padded();
                if i == 0 {
                    self.network.input = self.network.input.padded();
                } else {
                    nodes[i - 1].to = nodes[i - 1].to.padded();
                }
                if direct {
                    nodes[i].d_to = nodes[i].d_to.padded();
                    nodes[i + 1].d_from = nodes[i + 1].d_from.padded();
                }
            }
        }
        Ok(self.network)
    }
}
