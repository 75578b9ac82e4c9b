//! Recipes: what they settle, what a person overrides, what is missing.

use super::{EVERY_KIND, config, corners, epoch, small};
use crate::config::{OptimizerKind, Recipe, ScheduleKind, TrainerConfig};
use crate::settings::TrainerSettings;
use crate::trainer::Trainer;

fn fast() -> TrainerSettings {
    TrainerSettings {
        model: Some(EVERY_KIND.to_owned()),
        recipe: Some(Recipe::Fast),
        schedule_epochs: Some(4),
        threads: Some(2),
        ..TrainerSettings::default()
    }
}

#[test]
fn nothing_given_is_the_plain_configuration() {
    assert_eq!(TrainerSettings::default().resolved(), TrainerConfig::default());
    let given: TrainerSettings = serde_json::from_str(r#"{"recipe": "plain"}"#).unwrap();
    assert_eq!(given.resolved(), TrainerConfig::default());
}

#[test]
fn networks_without_normalisation_fall_back_to_plain() {
    let recipe = |model: &str| {
        let settings = TrainerSettings { model: Some(model.to_owned()), ..fast() };
        settings.resolved().recipe
    };
    assert_eq!(recipe("cifar10-664k"), Recipe::Fast);
    assert_eq!(recipe("strided-593k"), Recipe::Fast);
    assert_eq!(recipe("plain-667k"), Recipe::Plain);
    // What is wrong with it is told by the trainer.
    assert_eq!(recipe("nosuch"), Recipe::Plain);
}

#[test]
fn what_is_given_wins_over_the_recipe() {
    let settled = fast().resolved();
    assert_eq!((settled.schedule, settled.flip), (ScheduleKind::OneCycle, true));
    assert!(settled.translate > 0);
    // Each thing that the recipe sets, overridden by what the plain one has or by another value.
    let given = r#"{"recipe": "fast", "seed": 3, "optimizer": "adamw", "learning_rate": 0.5,
        "momentum": 0.8, "weight_decay": 0.01, "schedule": "cosine", "schedule_epochs": 9,
        "label_smoothing": 0.2, "flip": false, "translate": 0, "kernels": "portable",
        "exact": true, "threads": 3, "model": "strided-593k"}"#;
    let given: TrainerSettings = serde_json::from_str(given).unwrap();
    let wanted = TrainerConfig {
        model: "strided-593k".to_owned(),
        seed: 3,
        threads: Some(3),
        optimizer: OptimizerKind::AdamW,
        learning_rate: 0.5,
        momentum: 0.8,
        weight_decay: 0.01,
        schedule: ScheduleKind::Cosine,
        schedule_epochs: Some(9),
        label_smoothing: 0.2,
        flip: false,
        translate: 0,
        kernels: crate::Kernels::Portable,
        exact: true,
        recipe: Recipe::Fast,
    };
    assert_eq!(given.resolved(), wanted);
}

#[test]
fn a_recipe_without_its_epochs_says_what_to_add() {
    let lacking = TrainerSettings { schedule_epochs: None, ..fast() };
    let error = Trainer::new(lacking.resolved()).unwrap_err().to_string();
    assert!(
        error.contains("recipe `fast`") && error.contains("add schedule_epochs = N"),
        "{error}"
    );
    assert!(Trainer::new(fast().resolved()).is_ok());
    let unknown = serde_json::from_str::<TrainerSettings>(r#"{"recipe": "slow"}"#).unwrap_err();
    assert!(unknown.to_string().contains("`plain` or `fast`"), "{unknown}");
}

#[test]
fn a_recipe_is_settled_once_and_kept_in_snapshots() {
    let mut trainer = Trainer::new(fast().resolved()).unwrap();
    epoch(&mut trainer, &corners(16, 8), &small());
    let restored = Trainer::restore(&trainer.snapshot(), Some(2)).unwrap();
    assert_eq!(restored.config(), trainer.config());
    assert_eq!(config(EVERY_KIND).recipe, Recipe::Plain);
}
