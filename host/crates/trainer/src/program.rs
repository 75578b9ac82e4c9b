//! The order of a training step: what a shard runs image by image, and where all shards meet.

use crate::network::{Network, Op};

/// One thing that a shard does; numbers are nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Load,
    Forward(usize),
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

/// Pixels of a lot at least: enough tiles for a convolution to read its weights seldom, few enough
/// maps to stay in the cache.
const LOT_PIXELS: usize = 768;

/// Images that go through a group of steps together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lot {
    Images(usize),
    /// The whole shard: dense layers, whose weights are too large to read for each lot.
    Shard,
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
    /// Images of the lot for which alone the gradient of value i lives, so that one buffer serves all.
    pub(crate) transient: Vec<Option<usize>>,
    lots: Vec<usize>,
}

impl Program {
    pub(crate) fn new(network: &Network) -> Self {
        let norm = |i: usize| matches!(network.nodes[i].op, Op::Norm { .. });
        let (mut train, mut steps, mut infer) = (Vec::new(), vec![Step::Load], vec![Step::Load]);
        for i in 0..network.nodes.len() {
            if norm(i) {
                steps.push(Step::Stats(i));
                train.push(segment(network, &mut steps, Merge::Stats(i)));
            }
            let step = if norm(i) { Step::Apply(i) } else { Step::Forward(i) };
            steps.push(step);
            infer.push(step);
        }
        steps.push(Step::Loss);
        infer.push(Step::Loss);
        for i in (0..network.nodes.len()).rev() {
            if norm(i) {
                steps.push(Step::Sums(i));
                train.push(segment(network, &mut steps, Merge::Sums(i)));
                steps.push(Step::Grad(i));
            } else {
                steps.push(Step::Backward(i));
            }
        }
        train.push(segment(network, &mut steps, Merge::Update));
        let transient = (0..=network.nodes.len()).map(|i| transient(&train, i)).collect();
        let lots = (0..network.nodes.len()).map(|i| match lot(network, Step::Forward(i)) {
            Lot::Images(images) => images,
            Lot::Shard => usize::MAX,
        });
        Self { train, infer: groups(network, infer), transient, lots: lots.collect() }
    }
}

impl Program {
    /// Images of a lot of node i.
    pub(crate) fn lot(&self, i: usize) -> usize {
        self.lots[i]
    }
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
        | Step::Stats(i)
        | Step::Apply(i)
        | Step::Backward(i)
        | Step::Sums(i)
        | Step::Grad(i) => match network.nodes[i].op {
            Op::Dense { .. } => return Lot::Shard,
            _ => network.nodes[i].from,
        },
    };
    Lot::Images(LOT_PIXELS.div_ceil(map.h * map.w))
}

/// Value i's gradient is written by node i or the loss, and read by node i - 1.
fn transient(train: &[Segment], i: usize) -> Option<usize> {
    let uses = |step: &Step| {
        let writes = [Step::Backward(i), Step::Grad(i)].contains(step);
        let reads =
            i > 0 && [Step::Backward(i - 1), Step::Sums(i - 1), Step::Grad(i - 1)].contains(step);
        writes || reads
    };
    let groups = train.iter().flat_map(|segment| &segment.groups);
    let mut using = groups.filter(|group| group.steps.iter().any(uses));
    let only = using.next();
    let written = |step: &Step| [Step::Backward(i), Step::Grad(i)].contains(step);
    match only {
        Some(Group { steps, lot: Lot::Images(images) })
            if using.next().is_none() && steps.iter().any(written) =>
        {
            Some(*images)
        }
        _ => None,
    }
}
