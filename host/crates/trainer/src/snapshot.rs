//! State as bytes and back; files and when to take a snapshot are the caller's business.
//!
//! A snapshot is a safetensors file: each tensor `<name>`, its moments `adam.m.<name>` and
//! `adam.v.<name>` (`sgd.m.<name>` for SGD), and one metadata entry `mobula.trainer` that holds
//! the JSON of [`State`]. One entry, because their order is not fixed and equal states shall be
//! equal bytes.
//!
//! Version 2 has `exact` and `recipe` in its configuration. This reader takes version 1 too, which
//! knew direct convolutions only, and goes on with them. Readers of version 1 refuse version 2.
//! Within a version, tensors and fields are exactly those written here, so a new field is a new
//! version, with a golden file of its own in `tests/golden`.

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use crate::config::{OptimizerKind, TrainerConfig};
use crate::core::{read, write};
use crate::epoch::EpochReport;
use crate::error::TrainError;
use crate::network::{Network, Tensor};
use crate::trainer::Trainer;
use crate::weights::Param;

/// The metadata entry that marks a snapshot.
const ENTRY: &str = "mobula.trainer";
const VERSION: u32 = 2;
/// The oldest version that can still be read.
const VERSION_MIN: u32 = 1;

/// What stands before the checksum in the file, where the entry is JSON within JSON.
const CHECKSUM_AFTER: &[u8] = br#"\"checksum\":\""#;
const CHECKSUM_ZERO: [u8; 64] = [b'0'; 64];

/// Far above what anyone trains, and far below where counting on would overflow.
const STEPS_MAX: u64 = 1 << 48;

/// Everything of a snapshot that is no tensor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    version: u32,
    /// BLAKE3 of the whole file, in hexadecimal, with this field as 64 zeroes.
    checksum: String,
    epoch: u64,
    step: u64,
    /// With the network's text; without `threads`, which belong to the machine.
    config: TrainerConfig,
    history: Vec<EpochReport>,
}

/// The first field alone, which every version has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Which of a tensor's arrays.
#[derive(Clone, Copy)]
enum Part {
    Value,
    First,
    Second,
}

impl Part {
    fn of(self, param: &Param) -> &Vec<f32> {
        match self {
            Self::Value => &param.value,
            Self::First => &param.m,
            Self::Second => &param.v,
        }
    }

    fn of_mut(self, param: &mut Param) -> &mut Vec<f32> {
        match self {
            Self::Value => &mut param.value,
            Self::First => &mut param.m,
            Self::Second => &mut param.v,
        }
    }
}

/// The stored name of each array of a state.
fn names(network: &Network, optimizer: OptimizerKind) -> Vec<(String, usize, Part)> {
    let mut names = Vec::new();
    for (i, Tensor { name, role, .. }) in network.tensors.iter().enumerate() {
        names.push((name.clone(), i, Part::Value));
        if role.trained() {
            match optimizer {
                OptimizerKind::Sgd => names.push((format!("sgd.m.{name}"), i, Part::First)),
                OptimizerKind::Adam | OptimizerKind::AdamW => {
                    names.push((format!("adam.m.{name}"), i, Part::First));
                    names.push((format!("adam.v.{name}"), i, Part::Second));
                }
            }
        }
    }
    names.sort_by(|a, b| a.0.cmp(&b.0));
    names
}

impl Trainer {
    /// The whole state: tensors, optimizer, counters, configuration, history. Equal states are
    /// equal bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let state = State {
            version: VERSION,
            checksum: String::from_utf8_lossy(&CHECKSUM_ZERO).into_owned(),
            epoch: self.epoch,
            step: self.step,
            config: TrainerConfig { threads: None, ..self.config.clone() },
            history: self.history.clone(),
        };
        let state = serde_json::to_string(&state).expect("plain structs become JSON");
        let metadata = HashMap::from([(ENTRY.to_owned(), state)]);
        let mut bytes =
            self.write(&names(&self.core.network, self.config.optimizer), Some(metadata));
        let sealed = seal(&mut bytes);
        assert!(sealed, "a snapshot has a place for its checksum");
        bytes
    }

    /// The network's tensors alone, BatchNorm statistics included, as safetensors.
    #[must_use]
    pub fn export_safetensors(&self) -> Vec<u8> {
        let names = names(&self.core.network, self.config.optimizer);
        let values: Vec<_> =
            names.into_iter().filter(|(_, _, part)| matches!(part, Part::Value)).collect();
        self.write(&values, None)
    }

    /// The same as [`Self::export_safetensors`].
    #[must_use]
    pub fn weights(&self) -> Vec<u8> {
        self.export_safetensors()
    }

    fn write(
        &self,
        names: &[(String, usize, Part)],
        metadata: Option<HashMap<String, String>>,
    ) -> Vec<u8> {
        let params: Vec<_> = self.core.params.iter().map(read).collect();
        let arrays =
            names.iter().map(|(_, i, part)| match &params[self.core.pieces_of[*i].clone()] {
                [one] => Cow::Borrowed(&part.of(one)[..]),
                many => {
                    let pieces: Vec<&[f32]> =
                        many.iter().map(|piece| &part.of(piece)[..]).collect();
                    Cow::Owned(pieces.concat())
                }
            });
        let arrays: Vec<Cow<'_, [f32]>> = arrays.collect();
        let views = names.iter().zip(&arrays).map(|((name, i, _), array)| {
            let shape = self.core.network.tensors[*i].shape.clone();
            let view = TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(array));
            (name, view.expect("a tensor has the length of its shape"))
        });
        safetensors::serialize(views, metadata).expect("f32 tensors of distinct names serialise")
    }

    /// `blake3:` and the hash of all tensors' bytes, the optimizer's among them, in name order.
    #[must_use]
    pub fn state_digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (_, i, part) in names(&self.core.network, self.config.optimizer) {
            for (_, param) in self.core.pieces(i) {
                hasher.update(bytemuck::cast_slice(part.of(&read(param))));
            }
        }
        format!("blake3:{}", hasher.finalize().to_hex())
    }

    /// Whether these are the bytes of a snapshot, and not of weights alone. Says nothing of whether they
    /// are whole.
    #[must_use]
    pub fn is_snapshot(bytes: &[u8]) -> bool {
        SafeTensors::read_metadata(bytes).is_ok_and(|(_, header)| {
            header.metadata().as_ref().is_some_and(|entries| entries.contains_key(ENTRY))
        })
    }

    /// A trainer that goes on where the snapshot was taken, bit for bit.
    ///
    /// # Errors
    /// [`TrainError::Snapshot`] for bytes that are no whole snapshot of this version; nothing
    /// larger than the bytes themselves is allocated before they are checked.
    pub fn restore(bytes: &[u8], threads: Option<usize>) -> Result<Self, TrainError> {
        let bad = |reason: String| TrainError::Snapshot(reason);
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| bad(e.to_string()))?;
        let State { epoch, step, mut config, history, .. } = state(bytes).map_err(bad)?;
        config.threads = threads;
        let network = Network::parse(&config.model).map_err(|e| bad(e.to_string()))?;
        let names = names(&network, config.optimizer);
        if tensors.len() != names.len() {
            return Err(bad(format!("{} tensors instead of {}", tensors.len(), names.len())));
        }
        let arrays = names
            .iter()
            .map(|(name, i, _)| array(&tensors, name, &network.tensors[*i].shape).map_err(bad));
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let mut trainer = Self::bare(config)?;
        for ((_, i, part), array) in names.into_iter().zip(arrays) {
            for (piece, param) in trainer.core.pieces(i) {
                *part.of_mut(&mut write(param)) = array[piece.floats.clone()].to_vec();
            }
        }
        trainer.pack();
        (trainer.epoch, trainer.step, trainer.history) = (epoch, step, history);
        Ok(trainer)
    }

    /// Takes all weights from a safetensors file, a snapshot's too (without its moments), and
    /// starts the optimizer afresh; epochs and history stay.
    ///
    /// # Errors
    /// [`TrainError::Weights`] if a tensor is missing, of another shape, not finite or not one
    /// of the network's; nothing changes then.
    pub fn load_weights(&mut self, bytes: &[u8]) -> Result<(), TrainError> {
        let bad = |reason: String| TrainError::Weights(reason);
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| bad(e.to_string()))?;
        let wanted = &self.core.network.tensors;
        let values = wanted.iter().map(|t| array(&tensors, &t.name, &t.shape).map_err(bad));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let is_moment = |name: &str| name.starts_with("adam.") || name.starts_with("sgd.");
        let mut names = tensors.names();
        names.retain(|name| !is_moment(name) && wanted.iter().all(|t| t.name != *name));
        names.sort_unstable();
        if !names.is_empty() {
            return Err(bad(format!("tensors that the network lacks: {}", names.join(", "))));
        }
        for (i, value) in values.into_iter().enumerate() {
            self.set(i, &value);
        }
        self.pack();
        self.step = 0;
        Ok(())
    }
}

/// Where a snapshot's checksum stands.
fn checksum_at(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut windows = bytes.windows(CHECKSUM_AFTER.len());
    let start = windows.position(|window| window == CHECKSUM_AFTER)? + CHECKSUM_AFTER.len();
    let end = start + CHECKSUM_ZERO.len();
    (end <= bytes.len()).then_some(start..end)
}

/// The checksum of the bytes around `at`.
fn checksum(bytes: &[u8], at: &std::ops::Range<usize>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..at.start]).update(&CHECKSUM_ZERO).update(&bytes[at.end..]);
    hasher.finalize().to_hex().to_string()
}

/// Writes the checksum into its place; false if there is none.
pub(crate) fn seal(bytes: &mut [u8]) -> bool {
    let Some(at) = checksum_at(bytes) else { return false };
    let checksum = checksum(bytes, &at);
    bytes[at].copy_from_slice(checksum.as_bytes());
    true
}

/// A snapshot's state, once version and checksum are as they must be.
fn state(bytes: &[u8]) -> Result<State, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let entry = header.metadata().as_ref().and_then(|metadata| metadata.get(ENTRY));
    let entry = entry.ok_or_else(|| format!("no `{ENTRY}` in its metadata"))?;
    let Version { version } = serde_json::from_str(entry).map_err(|e| format!("`{ENTRY}`: {e}"))?;
    if !(VERSION_MIN..=VERSION).contains(&version) {
        return Err(format!("version {version}; this program reads {VERSION_MIN} to {VERSION}"));
    }
    let at = checksum_at(bytes).ok_or("it has no checksum")?;
    if checksum(bytes, &at).as_bytes() != &bytes[at] {
        return Err("its checksum does not fit; the bytes are damaged".to_owned());
    }
    let mut state: State = serde_json::from_str(entry).map_err(|e| format!("`{ENTRY}`: {e}"))?;
    if state.epoch != state.history.len() as u64 || state.step > STEPS_MAX {
        let State { epoch, step, history, .. } = state;
        let reports = history.len();
        return Err(format!("epoch {epoch} and step {step} with {reports} epochs of history"));
    }
    // Version 1 could not say so, but trained with direct convolutions.
    state.config.exact |= version == 1;
    Ok(state)
}

/// One finite f32 tensor of exactly this shape.
fn array(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let view = tensors.tensor(name).map_err(|_| format!("tensor `{name}` is missing"))?;
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        let (dtype, has) = (view.dtype(), view.shape());
        return Err(format!("tensor `{name}` is {dtype:?} {has:?}; it must be F32 {shape:?}"));
    }
    let (words, _) = view.data().as_chunks::<4>();
    let values: Vec<_> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    match values.iter().position(|value| !value.is_finite()) {
        Some(i) => Err(format!("tensor `{name}` has {} at {i}; give finite values", values[i])),
        None => Ok(values),
    }
}
