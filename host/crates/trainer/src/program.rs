//! The order of a training step: what a shard runs lot by lot, and where all shards meet.

use mobula_kernels::winograd;

use crate::network::{Network, Op};

/// One thing that a shard does; numbers are nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Load,
    Forward(usize),
    /// A convolution and, in its store, the normalisation after it, whose moments are the moving ones.
    Folded(usize),
    /// Moments of a normalisation's input.
    Stats(usize),
    /// A normalisation with moments known.
    Apply(usize),
    Loss,
    Backward(usize),
    /// Sums of a normalisation's gradient.
    Sums(usize),
    /// A normalisation's gradient with sums known.
    Grad(usize),
}

/// What is merged over all shards when each has finished a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    Stats(usize),
    Sums(usize),
    Update,
}

/// Images that go through a group of steps together: enough for a convolution to read its weights
/// seldom, few enough for their maps to stay in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lot {
    Images(usize),
    /// The whole shard: dense layers, whose weights are too large to read for each lot.
    Shard,
}

/// The way through the images of a batch. A segment begins with those that the one before it ended with:
/// their maps are still in the cache, and all maps of a batch are more than it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

impl Way {
    /// That of a segment.
    pub(crate) fn of(segment: usize) -> Self {
        if segment.is_multiple_of(2) { Self::Up } else { Self::Down }
    }
}

/// Steps that follow each other, for each lot of images in turn.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) steps: Vec<Step>,
    pub(crate) lot: Lot,
}

/// Groups up to a meeting.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) groups: Vec<Group>,
    pub(crate) then: Merge,
}

/// Both ways through a network.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) train: Vec<Segment>,
    pub(crate) infer: Vec<Group>,
    /// Where value i, and its gradient, live.
    pub(crate) values: Vec<Life>,
    pub(crate) grads: Vec<Life>,
    lots: Vec<Lot>,
}

/// How long a value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// For all images of the shard.
    Shard,
    /// While its lot of so many images is worked on: one buffer serves all lots, and the value is made
    /// again where the way back needs it, for less than it costs to fetch it from memory.
    Lot(usize),
}

impl Life {
    /// Images of a buffer, where the shard has `images`.
    pub(crate) fn images(self, images: usize) -> usize {
        match self {
            Self::Shard => images,
            Self::Lot(lot) => lot.min(images),
        }
    }
}

impl Program {
    /// `fold`: in evaluation, convolutions do the normalisation after them.
    pub(crate) fn new(network: &Network, fold: bool) -> Self {
        let nodes = network.nodes.len();
        let norm = |i: usize| matches!(network.nodes[i].op, Op::Norm { .. });
        let again: Vec<bool> = (0..nodes).map(|i| made_again(network, i)).collect();
        let (mut train, mut steps, mut infer) = (Vec::new(), vec![Step::Load], vec![Step::Load]);
        for i in 0..nodes {
            if norm(i) {
                steps.push(Step::Stats(i));
                train.push(segment(network, &mut steps, Merge::Stats(i)));
            }
            steps.push(forward(network, i));
            match i.checked_sub(1).filter(|before| fold && folds(network, *before)) {
                Some(before) => *infer.last_mut().expect("it has that node") = Step::Folded(before),
                None => infer.push(forward(network, i)),
            }
        }
        steps.push(Step::Loss);
        infer.push(Step::Loss);
        for i in (0..nodes).rev() {
            if norm(i) {
                steps.push(Step::Sums(i));
                train.push(segment(network, &mut steps, Merge::Sums(i)));
                steps.push(Step::Grad(i));
                continue;
            }
            // The values before this node, unless they are there already for the node after it.
            if !again[i] {
                let first = (0..i).rev().take_while(|j| again[*j]).last().unwrap_or(i);
                steps.extend((first..i).map(|j| forward(network, j)));
            }
            steps.push(Step::Backward(i));
        }
        train.push(segment(network, &mut steps, Merge::Update));
        let lot = |i: usize| lot(network, Step::Forward(i));
        let value = |i: usize| match (i > 0 && again[i - 1]).then(|| lot(i - 1)) {
            Some(Lot::Images(images)) => Life::Lot(images),
            _ => Life::Shard,
        };
        Self {
            infer: groups(network, infer),
            values: (0..=nodes).map(value).collect(),
            grads: (0..=nodes).map(|i| life_of_gradient(&train, i)).collect(),
            lots: (0..nodes).map(lot).collect(),
            train,
        }
    }

    /// Images of a lot of node i, where the shard has `images`.
    pub(crate) fn lot(&self, i: usize, images: usize) -> usize {
        match self.lots[i] {
            Lot::Images(lot) => lot.min(images),
            Lot::Shard => images,
        }
    }
}

fn forward(network: &Network, i: usize) -> Step {
    match network.nodes[i].op {
        Op::Norm { .. } => Step::Apply(i),
        _ => Step::Forward(i),
    }
}

/// Whether node i is a convolution that can do all of the normalisation after it, of the same lots.
fn folds(network: &Network, i: usize) -> bool {
    let node = |i: usize| network.nodes.get(i).map(|node| node.op);
    let alone = matches!(node(i), Some(Op::Conv { slope, .. }) if slope == 1.0)
        && matches!(node(i + 1), Some(Op::Norm { pool: false, .. }));
    alone && lot(network, Step::Forward(i)) == lot(network, Step::Forward(i + 1))
}

/// Whether node i's output is cheap, and read by the next node's lots alone.
fn made_again(network: &Network, i: usize) -> bool {
    let cheap = |op: Op| {
        matches!(op, Op::Norm { .. } | Op::Activate { .. } | Op::Pool { .. } | Op::Dropout { .. })
    };
    let lot = |i: usize| lot(network, Step::Forward(i));
    let next = network.nodes.get(i + 1).map(|next| next.op);
    // A normalisation waits for the others before it goes on.
    let goes_on = next.is_some_and(|next| !matches!(next, Op::Norm { .. }));
    cheap(network.nodes[i].op) && goes_on && lot(i) != Lot::Shard && lot(i) == lot(i + 1)
}

fn segment(network: &Network, steps: &mut Vec<Step>, then: Merge) -> Segment {
    Segment { groups: groups(network, std::mem::take(steps)), then }
}

fn groups(network: &Network, steps: Vec<Step>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for step in steps {
        let lot = lot(network, step);
        match groups.last_mut() {
            Some(group) if group.lot == lot => group.steps.push(step),
            _ => groups.push(Group { steps: vec![step], lot }),
        }
    }
    groups
}

fn lot(network: &Network, step: Step) -> Lot {
    let map = match step {
        Step::Load => network.input,
        Step::Loss => return Lot::Shard,
        Step::Forward(i)
        | Step::Folded(i)
        | Step::Stats(i)
        | Step::Apply(i)
        | Step::Backward(i)
        | Step::Sums(i)
        | Step::Grad(i) => match network.nodes[i].op {
            Op::Dense { .. } => return Lot::Shard,
            _ => network.nodes[i].from,
        },
    };
    Lot::Images(winograd::PIXELS.div_ceil(map.h * map.w))
}

/// Value i's gradient is written by node i or the loss, and read by node i - 1.
fn life_of_gradient(train: &[Segment], i: usize) -> Life {
    let written = |step: &Step| [Step::Backward(i), Step::Grad(i)].contains(step);
    let read = |step: &Step| {
        i > 0 && [Step::Backward(i - 1), Step::Sums(i - 1), Step::Grad(i - 1)].contains(step)
    };
    let groups = train.iter().flat_map(|segment| &segment.groups);
    let mut using =
        groups.filter(|group| group.steps.iter().any(|step| written(step) || read(step)));
    match (using.next(), using.next()) {
        (Some(Group { steps, lot: Lot::Images(images) }), None) if steps.iter().any(written) => {
            Life::Lot(*images)
        }
        _ => Life::Shard,
    }
}
