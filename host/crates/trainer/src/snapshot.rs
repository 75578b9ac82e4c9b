//! State as bytes and back: safetensors with the names of the design, scalars in the metadata.
//!
//! Version 1. A reader refuses other versions; within one, tensors and metadata are exactly those
//! written here, so a new field is a new version.

use std::collections::HashMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::config::{OptimizerKind, TrainerConfig};
use crate::core::{Param, read, write};
use crate::epoch::EpochReport;
use crate::error::TrainError;
use crate::network::{Network, Tensor};
use crate::trainer::Trainer;

/// The metadata key that marks a snapshot, and its value.
const MARK: &str = "mobula.trainer";
const VERSION: &str = "1";

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
    /// The whole state: tensors, optimizer, counters, configuration, history.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let json = |value: serde_json::Result<String>| value.expect("plain structs become JSON");
        let metadata = HashMap::from([
            (MARK.to_owned(), VERSION.to_owned()),
            ("config".to_owned(), json(serde_json::to_string(&self.config))),
            ("history".to_owned(), json(serde_json::to_string(&self.history))),
            ("epoch".to_owned(), self.epoch.to_string()),
            ("step".to_owned(), self.step.to_string()),
        ]);
        self.write(&names(&self.core.network, self.config.optimizer), Some(metadata))
    }

    /// The network's tensors alone.
    #[must_use]
    pub fn weights(&self) -> Vec<u8> {
        let names = names(&self.core.network, self.config.optimizer);
        let values: Vec<_> =
            names.into_iter().filter(|(_, _, part)| matches!(part, Part::Value)).collect();
        self.write(&values, None)
    }

    fn write(
        &self,
        names: &[(String, usize, Part)],
        metadata: Option<HashMap<String, String>>,
    ) -> Vec<u8> {
        let params: Vec<_> = self.core.params.iter().map(read).collect();
        let views = names.iter().map(|(name, i, part)| {
            let shape = self.core.network.tensors[*i].shape.clone();
            let bytes = bytemuck::cast_slice(part.of(&params[*i]));
            let view = TensorView::new(Dtype::F32, shape, bytes);
            (name, view.expect("a tensor has the length of its shape"))
        });
        safetensors::serialize(views, metadata).expect("f32 tensors of distinct names serialise")
    }

    /// `blake3:` and the hash of all tensors' bytes, the optimizer's among them, in name order.
    #[must_use]
    pub fn state_digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (_, i, part) in names(&self.core.network, self.config.optimizer) {
            hasher.update(bytemuck::cast_slice(part.of(&read(&self.core.params[i]))));
        }
        format!("blake3:{}", hasher.finalize().to_hex())
    }

    /// A trainer that goes on where the snapshot was taken, bit for bit.
    ///
    /// # Errors
    /// [`TrainError::Snapshot`] for bytes that are no whole snapshot of this version; nothing
    /// larger than the bytes themselves is allocated before they are checked.
    pub fn restore(bytes: &[u8], threads: Option<usize>) -> Result<Self, TrainError> {
        let bad = |reason: &dyn ToString| TrainError::Snapshot(reason.to_string());
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| bad(&e))?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| bad(&e))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let field = |key: &str| {
            metadata.get(key).map(String::as_str).ok_or_else(|| bad(&format!("no `{key}` in it")))
        };
        let version = field(MARK)?;
        if version != VERSION {
            return Err(bad(&format!("version {version}; this program reads {VERSION}")));
        }
        let number =
            |key: &str| field(key)?.parse::<u64>().map_err(|e| bad(&format!("`{key}`: {e}")));
        let (epoch, step) = (number("epoch")?, number("step")?);
        let mut config: TrainerConfig =
            serde_json::from_str(field("config")?).map_err(|e| bad(&format!("`config`: {e}")))?;
        let history: Vec<EpochReport> =
            serde_json::from_str(field("history")?).map_err(|e| bad(&format!("`history`: {e}")))?;
        config.threads = threads;
        let network = Network::parse(&config.model).map_err(|e| bad(&e))?;
        let names = names(&network, config.optimizer);
        if tensors.len() != names.len() {
            return Err(bad(&format!("{} tensors instead of {}", tensors.len(), names.len())));
        }
        let arrays = names.iter().map(|(name, i, _)| {
            array(&tensors, name, &network.tensors[*i].shape).map_err(|e| bad(&e))
        });
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let mut trainer = Self::bare(config)?;
        for ((_, i, part), array) in names.into_iter().zip(arrays) {
            *part.of_mut(&mut write(&trainer.core.params[i])) = array;
        }
        trainer.pack();
        (trainer.epoch, trainer.step, trainer.history) = (epoch, step, history);
        Ok(trainer)
    }

    /// Takes all weights from a safetensors file and starts the optimizer afresh; other tensors
    /// of the file, like a snapshot's moments, are passed over.
    ///
    /// # Errors
    /// [`TrainError::Weights`] if one is missing or of another shape; nothing changes then.
    pub fn load_weights(&mut self, bytes: &[u8]) -> Result<(), TrainError> {
        let bad = |reason: &dyn ToString| TrainError::Weights(reason.to_string());
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| bad(&e))?;
        let wanted = self.core.network.tensors.iter();
        let values = wanted.map(|t| array(&tensors, &t.name, &t.shape).map_err(|e| bad(&e)));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        for (i, value) in values.into_iter().enumerate() {
            self.set(i, value);
        }
        self.pack();
        self.step = 0;
        Ok(())
    }
}

/// One f32 tensor of exactly this shape.
fn array(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let view = tensors.tensor(name).map_err(|_| format!("tensor `{name}` is missing"))?;
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        let (dtype, has) = (view.dtype(), view.shape());
        return Err(format!("tensor `{name}` is {dtype:?} {has:?}; it must be F32 {shape:?}"));
    }
    let (words, _) = view.data().as_chunks::<4>();
    Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}
