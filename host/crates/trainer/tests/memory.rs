//! What training takes of memory: nothing in a step after the first, and as much as is told beforehand.
//! One test, since all tests of a program share the allocator that is watched.

use std::alloc::System;
use std::ops::ControlFlow;

use mobula_trainer::{EpochArgs, Images, OptimizerKind, Trainer, TrainerConfig};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations and reallocations so far.
fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// Bytes that are held now.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Trains two epochs, each with a smaller batch at its end, and evaluates.
fn check(config: TrainerConfig, batch_size: usize) {
    let what = format!("{} {:?}, batch {batch_size}", config.model, config.optimizer);
    let images = 2 * batch_size + batch_size / 2 + 3;
    let pixels = vec![77_u8; images * 3072];
    let labels = vec![3_u8; images];
    let data = Images::new(&pixels, &labels).expect("pixels fit labels");
    let before = held();
    let mut trainer = Trainer::new(config).expect("a preset");
    let args = EpochArgs { batch_size, ..EpochArgs::default() };
    for epoch in 0..2 {
        let (mut step, mut last) = (0, 0);
        let mut watch = |_| {
            let now = allocations();
            assert!(step == 0 || now == last, "{what}: epoch {epoch}, step {step} allocates");
            (step, last) = (step + 1, now);
            ControlFlow::Continue(())
        };
        trainer.train_epoch(data, &args, &mut watch).expect("it trains");
        assert_eq!(step, 3);
    }
    trainer.evaluate(data).expect("it evaluates");
    let (told, held) = (trainer.memory(batch_size).total_bytes() as f64, (held() - before) as f64);
    assert!((told / held - 1.0).abs() < 0.1, "{what}: {told} bytes told, {held} held");
}

#[test]
fn steps_take_no_memory_and_all_takes_what_is_told() {
    let config = |model: &str| TrainerConfig {
        model: model.to_owned(),
        threads: Some(2),
        flip: true,
        translate: 2,
        ..TrainerConfig::default()
    };
    for batch in [16, 64, 128] {
        check(config("cifar10-664k"), batch);
    }
    check(config("plain-667k"), 64);
    check(TrainerConfig { exact: true, ..config("cifar10-664k") }, 64);
    check(TrainerConfig { optimizer: OptimizerKind::Sgd, ..config("strided-593k") }, 64);
}
