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

/// Steps that follow each other, for each image in turn (its maps then stay in the cache) or for
/// the shard as a whole (dense layers, whose weights are too large to read for each image).
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) steps: Vec<Step>,
    pub(crate) per_image: bool,
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
    /// Whether the gradient of value i lives for one image only, so that one buffer serves all.
    pub(crate) transient: Vec<bool>,
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
        Self { train, infer: groups(network, infer), transient }
    }
}

fn segment(network: &Network, steps: &mut Vec<Step>, then: Merge) -> Segment {
    Segment { groups: groups(network, std::mem::take(steps)), then }
}

fn groups(network: &Network, steps: Vec<Step>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for step in steps {
        let per_image = match step {
            Step::Forward(i) | Step::Backward(i) => {
                !matches!(network.nodes[i].op, Op::Dense { .. })
            }
            Step::Loss => false,
            _ => true,
        };
        match groups.last_mut() {
            Some(group) if group.per_image == per_image => group.steps.push(step),
            _ => groups.push(Group { steps: vec![step], per_image }),
        }
    }
    groups
}

/// Value i's gradient is written by node i or the loss, and read by node i - 1.
fn transient(train: &[Segment], i: usize) -> bool {
    let uses = |step: &Step| {
        let writes = [Step::Backward(i), Step::Grad(i)].contains(step);
        let reads =
            i > 0 && [Step::Backward(i - 1), Step::Sums(i - 1), Step::Grad(i - 1)].contains(step);
        writes || reads
    };
    let groups = train.iter().flat_map(|segment| &segment.groups);
    let mut using = groups.filter(|group| group.steps.iter().any(uses));
    let only = using.next();
    let last = !train.iter().any(|s| {
        s.groups
            .iter()
            .any(|g| g.steps.iter().any(|s| *s == Step::Backward(i) || *s == Step::Grad(i)))
    });
    !last && using.next().is_none() && only.is_some_and(|group| group.per_image)
}
