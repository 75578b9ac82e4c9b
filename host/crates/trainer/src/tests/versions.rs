//! Snapshots of every version that was published: files in `tests/golden`, written by the program
//! of that version after one epoch (batch size 16) on 70 images of `corners`.

use super::{EVERY_KIND, config};
use crate::config::{Recipe, ScheduleKind, TrainerConfig};
use crate::trainer::Trainer;

fn golden(version: u32) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    std::fs::read(format!("{folder}/snapshot-v{version}.safetensors")).unwrap()
}

/// The configuration that all of them were made with.
fn made_with() -> TrainerConfig {
    TrainerConfig {
        label_smoothing: 0.1,
        flip: true,
        schedule: ScheduleKind::OneCycle,
        schedule_epochs: Some(4),
        ..config(EVERY_KIND)
    }
}

#[track_caller]
fn check(version: u32, digest: &str, config: &TrainerConfig) {
    let trainer = Trainer::restore(&golden(version), Some(2)).unwrap();
    assert_eq!(trainer.state_digest(), digest);
    assert_eq!((trainer.epochs(), trainer.steps_done(), trainer.history().len()), (1, 5, 1));
    assert_eq!(trainer.config(), config);
}

#[test]
fn version_1_is_read_and_goes_on_with_direct_convolutions() {
    let digest = "blake3:423cea9a5b0183b5684e132ee05eaa53e12d1aba3ce141b84f6086366efb1eed";
    check(1, digest, &TrainerConfig { exact: true, ..made_with() });
}

#[test]
fn version_2_is_read_and_written_as_it_was() {
    let digest = "blake3:423cea9a5b0183b5684e132ee05eaa53e12d1aba3ce141b84f6086366efb1eed";
    check(2, digest, &TrainerConfig { recipe: Recipe::Fast, exact: true, ..made_with() });
    let again = Trainer::restore(&golden(2), Some(1)).unwrap().snapshot();
    assert!(again == golden(2), "a change of the format needs a new version");
}

#[test]
fn an_unknown_version_is_named() {
    let mut later = golden(2);
    let field = br#"\"version\":"#;
    let at = later.windows(field.len()).position(|part| part == field).unwrap() + field.len();
    later[at] = b'7';
    assert!(crate::snapshot::seal(&mut later));
    let error = Trainer::restore(&later, Some(1)).unwrap_err().to_string();
    assert!(error.contains("version 7") && error.contains("reads 1 to 2"), "{error}");
}
