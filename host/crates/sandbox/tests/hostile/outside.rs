//! The world outside: environment, network, clock, chance.

use super::*;

#[test]
fn nothing_is_granted_unasked() {
    let seen = attack("looks_around").found();
    assert!(seen.starts_with("vars [] args 0 net "), "{seen}");
    assert!(!seen.contains("open") && seen.ends_with("roots 0"), "{seen}");
    assert!(attack("reads").kind("/etc/passwd").run().is_err());
    let env = vec![("COLOUR".to_owned(), "blue".to_owned())];
    let seen = attack("looks_around").granted(&Grants { env, ..Grants::default() }).found();
    assert!(seen.contains("COLOUR=blue"), "{seen}");
}

#[test]
fn time_and_chance_are_the_same_in_every_run() {
    let once = attack("sleeps").found();
    assert!(once.contains("slept 3600") && once.contains(&format!("seed {SEED}")), "{once}");
    assert_eq!(once, attack("sleeps").found());
}
