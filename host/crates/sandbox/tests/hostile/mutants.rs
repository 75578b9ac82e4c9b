//! Components that were damaged at random, with a fixed seed: none of them takes the host along.

use super::*;

/// Damaged copies of a small component, each compiled and, if it still fits the world, run.
const SMALL: u32 = 1500;
/// Damaged copies of the whole plugin: each may have to be compiled.
const WHOLE: u32 = 12;
/// Cuts of the whole plugin, and files of random bytes.
const OTHERS: u32 = 1500;

/// Marsaglia's xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    /// Some bytes changed, lost or doubled, but not the first eight: those are looked at first of all.
    fn damage(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..=self.below(3) {
            let at = 8 + self.below(bytes.len() - 8);
            match self.below(4) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.byte(),
                2 => drop(bytes.drain(at..bytes.len().min(at + 1 + self.below(8)))),
                _ => bytes.insert(at, self.byte()),
            }
            if bytes.len() < 16 {
                break;
            }
        }
        bytes
    }
}

/// Whether it was a plugin still.
fn survive(bytes: &[u8]) -> bool {
    let Ok(plugin) = sandbox().load(bytes, "mutant") else { return false };
    let (env, _) = attack("")
        .within(|limits| {
            limits.wall = Duration::from_millis(20);
            limits.memory_bytes = 8 << 20;
        })
        .ear();
    for task in ["run", "nothing"] {
        let _ = plugin.run_task(task, "{}", images(), &env);
    }
    let _ = plugin.create_actor("Counter", r#"{"amount":1}"#, Object::default(), &env);
    true
}

#[test]
fn damaged_components_take_nobody_along() {
    let whole = component();
    let small = raw::component_of("", "(call $log (i32.const 2) (i32.const 16) (i32.const 4))");
    let mut dice = Dice(0x5eed_b17e_0dd5);
    let alive = (0..SMALL).filter(|_| survive(&dice.damage(&small))).count();
    assert!(alive > 20 && alive < SMALL as usize, "some live, some do not: {alive}");
    for _ in 0..WHOLE {
        survive(&dice.damage(&whole));
    }
    for _ in 0..OTHERS {
        let cut = 8 + dice.below(whole.len() - 9);
        assert!(!survive(&whole[..cut]), "cut at {cut}");
        let mut bytes = whole[..8].to_vec();
        bytes.extend((0..dice.below(2000)).map(|_| dice.byte()));
        survive(&bytes);
    }
    assert!(survive(&small) && survive(&whole));
    attack("nothing").run().unwrap();
}
