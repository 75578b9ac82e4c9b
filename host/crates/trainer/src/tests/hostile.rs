//! Readers against whatever bytes: random network files, and mutated weights and snapshots. Never a
//! panic, never a state half changed.

use std::sync::OnceLock;

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::Config;
use proptest::{collection, prop_assert, prop_assert_eq, proptest};

use super::{EVERY_KIND, config, corners, epoch, small};
use crate::model::PRESETS;
use crate::network::{Network, Op};
use crate::trainer::Trainer;

/// Cases of a test: some seconds in all, and no file of seeds beside the sources.
fn cases(count: u32) -> Config {
    Config { cases: count, failure_persistence: None, ..Config::default() }
}

/// A value that may stand behind a key: mostly right, often extreme.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (1..40_u32).prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => any::<f64>().prop_map(|n| format!("{n:?}").replace("NaN", "nan")),
        1 => "[a-z0-9\"'\\[\\]{}=,]{0,12}",
    ]
}

fn layer() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (1..20_u32, 1..3_u32)
            .prop_map(|(k, stride)| format!("kind = 'conv', filters = {k}, stride = {stride}")),
        3 => Just("kind = 'batch_norm'".to_owned()),
        3 => Just("kind = 'relu'".to_owned()),
        2 => Just("kind = 'leaky_relu'".to_owned()),
        2 => Just("kind = 'max_pool'".to_owned()),
        2 => Just("kind = 'dropout', rate = 0.5".to_owned()),
        2 => Just("kind = 'flatten'".to_owned()),
        2 => Just("kind = 'global_avg_pool'".to_owned()),
        4 => (1..300_u32).prop_map(|n| format!("kind = 'dense', units = {n}")),
        1 => ("[a-z_]{1,12}", value()).prop_map(|(key, value)| format!("kind = 'conv', {key} = {value}")),
        1 => value().prop_map(|value| format!("kind = 'conv', filters = {value}")),
        1 => value().prop_map(|value| format!("kind = 'dropout', rate = {value}")),
        1 => value().prop_map(|value| format!("kind = {value}")),
    ]
}

/// Network files from a grammar; most of those that end well are networks.
fn written() -> impl Strategy<Value = String> {
    let axis = || prop_oneof![9 => (1..40_u32).prop_map(|n| n.to_string()), 1 => value()];
    let layers = collection::vec(layer(), 0..12);
    let end = prop_oneof![
        4 => Just(", { kind = 'flatten' }, { kind = 'dense', units = 10 }"),
        2 => Just(", { kind = 'dense', units = 10 }"),
        1 => Just(""),
    ];
    ([axis(), axis(), axis()], layers, end).prop_map(|([h, w, c], layers, end)| {
        let layers: Vec<_> = layers.iter().map(|layer| format!("{{ {layer} }}")).collect();
        let layers = if layers.is_empty() { "{ kind = 'relu' }".into() } else { layers.join(", ") };
        format!("name = 'x'\ninput = [{h}, {w}, {c}]\nlayer = [{layers}{end}]")
    })
}

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Flip(usize, u8),
    Cut(usize),
    /// Some bytes again in another place.
    Copy(usize, usize, usize),
    /// A digit by another, which is what offsets and shapes are made of.
    Digit(usize, u8),
    /// The length of the header.
    Header(u64),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<usize>;
    prop_oneof![
        3 => (at(), 1..=255_u8).prop_map(|(at, mask)| Change::Flip(at, mask)),
        1 => at().prop_map(Change::Cut),
        2 => (at(), at(), 1..40_usize).prop_map(|(from, to, n)| Change::Copy(from, to, n)),
        4 => (at(), b'0'..=b'9').prop_map(|(at, digit)| Change::Digit(at, digit)),
        1 => prop_oneof![any::<u64>(), 0..10_000_u64].prop_map(Change::Header),
    ]
}

/// Changes mostly what stands in the first `head` bytes.
fn changed(bytes: &[u8], head: usize, changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        let (len, head) = (bytes.len().max(1), head.clamp(1, bytes.len().max(1)));
        match *change {
            _ if bytes.is_empty() => {}
            Change::Flip(at, mask) => bytes[at % len] ^= mask,
            Change::Cut(at) => bytes.truncate(at % len),
            Change::Copy(from, to, n) => {
                let from = from % head;
                let part = bytes[from..(from + n).min(len)].to_vec();
                let to = to % head;
                bytes.splice(to..to, part);
            }
            Change::Digit(at, digit) => {
                let digits = (0..head).filter(|i| bytes[*i].is_ascii_digit());
                let digits: Vec<_> = digits.collect();
                if let Some(i) = digits.get(at % digits.len().max(1)) {
                    bytes[*i] = digit;
                }
            }
            Change::Header(length) if len >= 8 => bytes[..8].copy_from_slice(&length.to_le_bytes()),
            Change::Header(_) => {}
        }
    }
    bytes
}

/// Requires shapes that fit each other, as the kernels assert them.
fn consistent(network: &Network) {
    let mut before = network.input;
    for node in &network.nodes {
        assert_eq!(node.from.values(), before.values());
        match node.op {
            Op::Conv { conv, kernel, bias, .. } => {
                assert_eq!(conv.output(), node.to.plain());
                assert_eq!(network.tensors[kernel].len(), conv.weights());
                assert_eq!(network.tensors[bias].len(), node.to.c);
            }
            Op::Dense { kernel, .. } => {
                assert_eq!(network.tensors[kernel].len(), node.from.values() * node.to.values());
            }
            Op::Norm { first, .. } => assert_eq!(network.tensors[first].len(), node.from.c),
            Op::Activate { .. } | Op::Dropout { .. } => {
                assert_eq!(node.from.plain(), node.to.plain());
            }
            Op::Pool { .. } => assert_eq!(mobula_kernels::map::pooled(node.from), node.to.plain()),
            Op::GlobalPool => assert_eq!(node.from.c, node.to.values()),
        }
        before = node.to;
    }
    let listed: usize = network.summary.iter().map(|layer| layer.parameters).sum();
    assert_eq!((before.values(), listed), (network.classes, network.parameters()));
}

/// Weights and a snapshot of a trained network, and where their headers end.
fn files() -> &'static [(Vec<u8>, usize); 2] {
    static FILES: OnceLock<[(Vec<u8>, usize); 2]> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut trainer = Trainer::new(config(EVERY_KIND)).unwrap();
        epoch(&mut trainer, &corners(16, 8), &small());
        [trainer.weights(), trainer.snapshot()].map(|bytes| {
            let head = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap());
            (bytes, usize::try_from(head).unwrap())
        })
    })
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn every_network_that_is_read_has_consistent_shapes(text in written()) {
        match Network::parse(&text) {
            Ok(network) => consistent(&network),
            Err(error) => prop_assert!(error.to_string().len() < 600, "{error:.600}"),
        }
    }

    #[test]
    fn changed_presets_never_panic(
        preset in 0..PRESETS.len(),
        changes in collection::vec(change(), 1..6),
    ) {
        let text = PRESETS[preset].1.as_bytes();
        let text = changed(text, text.len(), &changes);
        if let Ok(network) = Network::parse(&String::from_utf8_lossy(&text)) {
            consistent(&network);
        }
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn changed_snapshots_never_panic(
        sealed in any::<bool>(),
        changes in collection::vec(change(), 1..5),
    ) {
        let (bytes, head) = &files()[1];
        let mut bytes = changed(bytes, *head, &changes);
        if sealed {
            // With a checksum that fits, so that what stands behind it is read too.
            crate::snapshot::seal(&mut bytes);
        }
        if let Ok(trainer) = Trainer::restore(&bytes, Some(1)) {
            // Whatever is read is a state that can be written.
            let again = Trainer::restore(&trainer.snapshot(), Some(1)).unwrap();
            prop_assert_eq!(again.state_digest(), trainer.state_digest());
        }
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn changed_weights_never_panic_and_an_error_changes_nothing(
        changes in collection::vec(change(), 1..5),
    ) {
        let (bytes, head) = &files()[0];
        let mut trainer = Trainer::new(config(EVERY_KIND)).unwrap();
        let digest = trainer.state_digest();
        if trainer.load_weights(&changed(bytes, *head, &changes)).is_err() {
            prop_assert_eq!(trainer.state_digest(), digest);
        }
    }
}

/// A safetensors file with this header.
fn with_header(header: &str, data: usize) -> Vec<u8> {
    let length = u64::try_from(header.len()).unwrap();
    [&length.to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn headers_that_lie_are_refused() {
    let tensor = |name: &str, shape: &str, offsets: &str| {
        format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}"#)
    };
    let cases = [
        // Two tensors on the same bytes, one twice, a hole, offsets that turn round or overflow.
        [tensor("conv1.bias", "[8]", "[0,32]"), tensor("conv2.bias", "[8]", "[0,32]")].join(","),
        [tensor("conv1.bias", "[8]", "[0,32]"), tensor("conv1.bias", "[8]", "[0,32]")].join(","),
        tensor("conv1.bias", "[8]", "[16,48]"),
        tensor("conv1.bias", "[8]", "[32,0]"),
        tensor("conv1.bias", "[8]", "[0,18446744073709551615]"),
        // Shapes whose product is no number, or far more than there is.
        tensor("conv1.bias", "[18446744073709551615,18446744073709551615]", "[0,32]"),
        tensor("conv1.bias", "[4611686018427387904]", "[0,32]"),
        tensor("conv1.bias", "[0,8]", "[0,0]"),
    ];
    let mut trainer = Trainer::new(config(EVERY_KIND)).unwrap();
    let digest = trainer.state_digest();
    for header in cases {
        let bytes = with_header(&format!("{{{header}}}"), 32);
        assert!(trainer.load_weights(&bytes).is_err(), "{header}");
        assert!(Trainer::restore(&bytes, Some(1)).is_err(), "{header}");
    }
    assert_eq!(trainer.state_digest(), digest);
}
