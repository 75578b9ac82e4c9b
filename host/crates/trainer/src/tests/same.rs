//! The same bytes: at any number of threads, on any kernels, after any restore.

use std::ops::ControlFlow;

use super::{EVERY_KIND, TILED, config, corners, epoch, small};
use crate::config::{EpochArgs, Kernels, OptimizerKind, ScheduleKind, TrainerConfig};
use crate::data::Images;
use crate::error::TrainError;
use crate::trainer::Trainer;

/// With everything random that there is.
fn busy() -> TrainerConfig {
    busy_with(EVERY_KIND)
}

fn busy_with(model: &str) -> TrainerConfig {
    TrainerConfig { flip: true, translate: 2, label_smoothing: 0.1, ..config(model) }
}

/// A network of every kind of layer, and one of tiles in both modes.
fn all_busy() -> [TrainerConfig; 3] {
    [busy(), busy_with(TILED), TrainerConfig { exact: true, ..busy_with(TILED) }]
}

fn trained(config: TrainerConfig, epochs: usize) -> Trainer {
    let mut trainer = Trainer::new(config).unwrap();
    let data = corners(70, 8);
    (0..epochs).for_each(|_| epoch(&mut trainer, &data, &small()));
    trainer
}

#[test]
fn threads_change_nothing() {
    for busy in all_busy() {
        let digest = trained(busy.clone(), 3).state_digest();
        for threads in [1, 2, 3, 8] {
            let config = TrainerConfig { threads: Some(threads), ..busy.clone() };
            assert_eq!(trained(config, 3).state_digest(), digest, "{threads} threads");
        }
        let other = TrainerConfig { seed: 6, ..busy };
        assert_ne!(trained(other, 3).state_digest(), digest);
    }
}

/// A dense kernel of several pieces, the last of another length, which threads share.
const WIDE: &str = r#"
name = "wide"
input = [8, 8, 3]
layer = [
    { kind = "flatten" }, { kind = "dense", units = 700 }, { kind = "relu" },
    { kind = "dense", units = 130 }, { kind = "batch_norm" }, { kind = "relu" },
    { kind = "dense", units = 4 },
]
"#;

#[test]
fn pieces_of_dense_kernels_change_nothing() {
    let wide = busy_with(WIDE);
    let whole = trained(wide.clone(), 2);
    assert!(whole.core.params.len() >= whole.core.network.tensors.len() + 2, "several pieces");
    let config = TrainerConfig { threads: Some(1), kernels: Kernels::Portable, ..wide.clone() };
    assert_eq!(trained(config, 2).state_digest(), whole.state_digest());
    let mut restored = Trainer::restore(&trained(wide, 1).snapshot(), Some(5)).unwrap();
    assert_eq!(
        restored.snapshot(),
        Trainer::restore(&restored.snapshot(), None).unwrap().snapshot()
    );
    epoch(&mut restored, &corners(70, 8), &small());
    assert_eq!(restored.state_digest(), whole.state_digest());
}

#[test]
fn kernels_change_nothing() {
    for busy in all_busy() {
        let digest = trained(busy.clone(), 2).state_digest();
        for kernels in [Kernels::Portable, Kernels::Avx2] {
            let config = TrainerConfig { kernels, ..busy.clone() };
            assert_eq!(trained(config, 2).state_digest(), digest, "{kernels:?}");
        }
    }
}

#[test]
fn exact_mode_is_another_than_fast_mode_and_close_to_it() {
    let [_, fast, exact] = all_busy().map(|config| trained(config, 1));
    assert_ne!(fast.state_digest(), exact.state_digest());
    let (fast, exact) = (fast.history()[0].loss, exact.history()[0].loss);
    assert!((fast - exact).abs() < 1e-4 * exact, "{fast} and {exact}");
}

/// Batches of other sizes are cut into other numbers of shards.
#[test]
fn large_batches_change_nothing_between_threads_either() {
    for batch_size in [128, 256] {
        let digests = [1, 5].map(|threads| {
            let config = TrainerConfig { threads: Some(threads), ..busy_with(TILED) };
            let mut trainer = Trainer::new(config).unwrap();
            epoch(&mut trainer, &corners(300, 8), &EpochArgs { batch_size, ..small() });
            trainer.state_digest()
        });
        assert_eq!(digests[0], digests[1], "batch {batch_size}");
    }
}

#[test]
fn a_restored_trainer_goes_on_as_if_nothing_had_been() {
    let optimizers = [OptimizerKind::Adam, OptimizerKind::AdamW, OptimizerKind::Sgd];
    for (optimizer, busy) in optimizers.into_iter().zip(all_busy()) {
        let config = TrainerConfig {
            optimizer,
            weight_decay: 0.01,
            schedule: ScheduleKind::OneCycle,
            schedule_epochs: Some(4),
            ..busy
        };
        let whole = trained(config.clone(), 4);
        for stop in 0..4 {
            let state = trained(config.clone(), stop).snapshot();
            let mut restored = Trainer::restore(&state, Some(1)).unwrap();
            assert_eq!(restored.epochs(), stop as u64);
            let data = corners(70, 8);
            (stop..4).for_each(|_| epoch(&mut restored, &data, &small()));
            assert_eq!(restored.state_digest(), whole.state_digest(), "{optimizer:?} at {stop}");
            assert_eq!(restored.history().len(), 4);
        }
    }
}

#[test]
fn an_epoch_that_ends_early_leaves_no_trace() {
    let mut trainer = trained(busy(), 1);
    let digest = trainer.state_digest();
    let data = corners(70, 8);
    let images = Images::new(&data.0, &data.1).unwrap();
    let mut seen = 0;
    let stopped = trainer.train_epoch(images, &small(), &mut |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(TrainError::Cancelled)));
    assert_eq!(trainer.state_digest(), digest);
    epoch(&mut trainer, &data, &small());
    assert_eq!(trainer.state_digest(), trained(busy(), 2).state_digest());
}

#[test]
fn a_loss_that_is_no_number_is_told_and_undone() {
    let config = TrainerConfig {
        learning_rate: 1e3,
        optimizer: OptimizerKind::Sgd,
        ..config(
            "name = \"bare\"\ninput = [8, 8, 3]\nlayer = [{ kind = \"flatten\" }, \
             { kind = \"dense\", units = 64 }, { kind = \"dense\", units = 64 }, \
             { kind = \"dense\", units = 4 }]",
        )
    };
    let mut trainer = Trainer::new(config).unwrap();
    let digest = trainer.state_digest();
    let data = corners(200, 8);
    let images = Images::new(&data.0, &data.1).unwrap();
    let told = (0..20).find_map(|_| {
        let before = trainer.state_digest();
        let result = trainer.train_epoch(images, &small(), &mut |_| ControlFlow::Continue(()));
        result.err().map(|error| (error, before))
    });
    let (error, before) = told.unwrap();
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
    assert_eq!(trainer.state_digest(), before);
    assert!(!digest.is_empty());
}

#[test]
fn it_learns() {
    let mut trainer = Trainer::new(config(EVERY_KIND)).unwrap();
    let data = corners(200, 8);
    (0..12).for_each(|_| epoch(&mut trainer, &data, &EpochArgs { batch_size: 8, ..small() }));
    let found = trainer.evaluate(Images::new(&data.0, &data.1).unwrap()).unwrap();
    assert!(found.accuracy > 0.9, "{found:?}");
}
