//! Configurations, images, snapshots and weights that are wrong: named, never a panic.

use std::ops::ControlFlow;

use super::{EVERY_KIND, config, corners, epoch, small};
use crate::config::{EpochArgs, TrainerConfig};
use crate::data::Images;
use crate::model::PRESETS;
use crate::trainer::Trainer;

#[test]
fn presets_have_their_parameters() {
    let counts = [663_786, 592_554, 666_538];
    for ((name, _), count) in PRESETS.iter().zip(counts) {
        assert_eq!(Trainer::new(config(name)).unwrap().parameters(), count, "{name}");
    }
}

#[test]
fn wrong_settings_are_named() {
    let good = || config(EVERY_KIND);
    let cases = [
        (TrainerConfig { learning_rate: 0.0, ..good() }, "learning_rate"),
        (TrainerConfig { learning_rate: f64::NAN, ..good() }, "learning_rate"),
        (TrainerConfig { momentum: 1.0, ..good() }, "momentum"),
        (TrainerConfig { label_smoothing: -0.1, ..good() }, "label_smoothing"),
        (TrainerConfig { threads: Some(0), ..good() }, "threads"),
        (TrainerConfig { schedule: crate::ScheduleKind::Cosine, ..good() }, "schedule_epochs"),
        (config("vgg"), "vgg"),
        (config("name = \"x\"\ninput = [8, 8, 3]\nlayer = []"), "x"),
        (config("name = \"x\"\ninput = [0, 8, 3]\nlayer = [{ kind = \"flatten\" }]"), "0 × 8"),
        (config("name = \"x\"\ninput = [8, 8, 3]\nlayer = [{ kind = \"lstm\" }]"), "lstm"),
        (
            config("name = \"x\"\ninput = [8, 8, 3]\nlayer = [{ kind = \"relu\", slope = 1 }]"),
            "slope",
        ),
        (
            config("name = \"x\"\ninput = [8, 8, 3]\nlayer = [{ kind = \"dense\", units = 4 }]"),
            "dense",
        ),
    ];
    for (config, word) in cases {
        let error = Trainer::new(config).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[test]
fn wrong_images_and_arguments_are_named() {
    assert!(Images::new(&[], &[]).is_err());
    assert!(Images::new(&[1, 2, 3], &[0, 1]).is_err());
    let mut trainer = Trainer::new(config(EVERY_KIND)).unwrap();
    let (pixels, labels) = corners(8, 8);
    let mut train = |pixels: &[u8], labels: &[u8], args: EpochArgs| {
        let images = Images::new(pixels, labels).unwrap();
        let done = trainer.train_epoch(images, &args, &mut |_| ControlFlow::Continue(()));
        done.unwrap_err().to_string()
    };
    assert!(train(&pixels, &labels[..4], small()).contains("384 bytes an image"));
    assert!(train(&pixels, &[9; 8], small()).contains("label 9 of image 0"));
    let args = EpochArgs { batch_size: 0, ..small() };
    assert!(train(&pixels, &labels, args).contains("batch_size"));
    let args = EpochArgs { validation_split: 1.0, ..small() };
    assert!(train(&pixels, &labels, args).contains("validation_split"));
    let args = EpochArgs { validation_split: 0.95, ..small() };
    assert!(train(&pixels, &labels, args).contains("none of 8 images"));
    assert!(trainer.predict(&pixels[1..]).is_err());
}

#[test]
fn the_last_part_is_held_out() {
    let mut trainer = Trainer::new(config(EVERY_KIND)).unwrap();
    let (pixels, mut labels) = corners(40, 8);
    labels[30..].fill(3);
    let args = EpochArgs { validation_split: 0.25, ..small() };
    let images = Images::new(&pixels, &labels).unwrap();
    let report = trainer.train_epoch(images, &args, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(report.images, 30);
    let bytes = 30 * 8 * 8 * 3;
    let held = trainer.evaluate(Images::new(&pixels[bytes..], &labels[30..]).unwrap()).unwrap();
    assert_eq!((Some(held.loss), Some(held.accuracy)), (report.val_loss, report.val_accuracy));
}

#[test]
fn hostile_snapshots_are_refused() {
    let mut trainer = Trainer::new(config(EVERY_KIND)).unwrap();
    epoch(&mut trainer, &corners(16, 8), &small());
    let whole = trainer.snapshot();
    for cut in (0..whole.len()).step_by(97).chain(0..200) {
        assert!(Trainer::restore(&whole[..cut], Some(1)).is_err(), "cut at {cut}");
    }
    let header = 8 + usize::try_from(u64::from_le_bytes(*whole.first_chunk().unwrap())).unwrap();
    for at in (0..header).step_by(3) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x11;
        // Some bits may change without harm, such as a digit of the history; none may panic.
        let _ = Trainer::restore(&flipped, Some(1));
    }
    let mut huge = whole.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(Trainer::restore(&huge, Some(1)).is_err());
    assert!(Trainer::restore(&trainer.weights(), Some(1)).is_err(), "weights are no state");
}

#[test]
fn weights_go_from_one_trainer_to_another() {
    let mut first = Trainer::new(config(EVERY_KIND)).unwrap();
    epoch(&mut first, &corners(16, 8), &small());
    let mut second = Trainer::new(TrainerConfig { seed: 99, ..config(EVERY_KIND) }).unwrap();
    second.load_weights(&first.weights()).unwrap();
    let (pixels, _) = corners(5, 8);
    assert_eq!(first.predict(&pixels).unwrap(), second.predict(&pixels).unwrap());
    let mut other = Trainer::new(config("plain-667k")).unwrap();
    let digest = other.state_digest();
    let error = other.load_weights(&first.weights()).unwrap_err().to_string();
    assert!(error.contains("conv1.kernel"), "{error}");
    assert_eq!(other.state_digest(), digest);
}
