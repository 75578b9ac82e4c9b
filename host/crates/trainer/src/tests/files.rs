//! Network files that are wrong: each mistake is named with its layer, and what to do about it.

use crate::network::Network;

/// Requires these words in what is said about a network whose file ends so.
#[track_caller]
fn check(layers: &str, words: &[&str]) {
    whole(&format!("name = \"x\"\ninput = [8, 8, 3]\nlayer = [{layers}]"), words);
}

#[track_caller]
fn whole(text: &str, words: &[&str]) {
    let error = Network::parse(text).expect_err("it is wrong").to_string();
    assert!(error.len() < 500, "too long to read: {error:.500}");
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

const CONV: &str = "{ kind = 'conv', filters = 4 }";
const POOL: &str = "{ kind = 'max_pool' }";
const FLAT: &str = "{ kind = 'flatten' }";
const DENSE: &str = "{ kind = 'dense', units = 4 }";

#[test]
fn shapes_that_do_not_fit_are_named_with_layer_and_shape() {
    let cases: [(&[&str], &[&str]); 10] = [
        (&[CONV, POOL, DENSE], &["layer 3 (dense) of network `x`", "4 × 4 × 4", "put a flatten"]),
        (&[FLAT, CONV], &["layer 2 (conv)", "flat (192 values)", "before the flatten"]),
        (&[FLAT, POOL], &["layer 2 (max_pool)", "flat (192 values)"]),
        (&[POOL, POOL, POOL, POOL], &["layer 4 (max_pool)", "1 × 1 × 3", "2 × 2"]),
        (&[FLAT, "{ kind = 'global_avg_pool' }"], &["layer 2 (global_avg_pool)", "flat (192"]),
        (&["{ kind = 'conv', filters = 0 }"], &["layer 1 (conv)", "filters = 0", "1 to"]),
        (&["{ kind = 'conv', filters = 4, stride = 3 }"], &["stride = 3", "1 or 2"]),
        (&[FLAT, "{ kind = 'dense', units = 99999 }"], &["layer 2 (dense)", "units = 99999"]),
        (&[CONV, "{ kind = 'dropout', rate = 1 }"], &["layer 2 (dropout)", "rate = 1"]),
        (&[FLAT, DENSE, "{ kind = 'relu' }"], &["network `x`", "last layer", "dense"]),
    ];
    for (layers, words) in cases {
        check(&layers.join(", "), words);
    }
}

#[test]
fn unknown_layers_and_keys_are_named_with_the_nearest_known() {
    let cases = [
        ("{ kind = 'lstm' }", &["layer 2 (lstm) of network `x`", "global_avg_pool"][..]),
        ("{ kind = 'maxpool' }", &["layer 2 (maxpool)", "did you mean `max_pool`"]),
        ("{ kind = 'BatchNorm' }", &["layer 2 (BatchNorm)", "did you mean `batch_norm`"]),
        ("{ kind = 'conv2d', filters = 4 }", &["did you mean `conv`"]),
        ("{ filters = 4 }", &["layer 2", "`kind` is missing", "conv, batch_norm"]),
        ("{ kind = 7 }", &["layer 2", "`kind` is 7"]),
        ("7", &["layer 2", "is 7", "a table"]),
        ("{ kind = 'conv' }", &["layer 2 (conv)", "`filters` is missing"]),
        ("{ kind = 'conv', filters = '4' }", &["layer 2 (conv)", "`filters` is \"4\""]),
        ("{ kind = 'conv', filters = -4 }", &["layer 2 (conv)", "`filters` is -4"]),
        ("{ kind = 'conv', filters = 4.5 }", &["layer 2 (conv)", "`filters` is 4.5"]),
        ("{ kind = 'conv', filter = 4 }", &["unknown key `filter`", "did you mean `filters`"]),
        ("{ kind = 'conv', filters = 4, kernel = 5 }", &["layer 2 (conv)", "unknown key `kernel`"]),
        ("{ kind = 'relu', slope = 1 }", &["layer 2 (relu)", "`slope`", "nothing but its kind"]),
        ("{ kind = 'dropout' }", &["layer 2 (dropout)", "`rate` is missing"]),
        ("{ kind = 'dropout', rate = nan }", &["layer 2 (dropout)", "rate = NaN"]),
        ("{ kind = 'dense', units = true }", &["layer 2 (dense)", "`units` is true"]),
    ];
    for (layer, words) in cases {
        check(&format!("{CONV}, {layer}, {FLAT}, {DENSE}"), words);
    }
}

#[test]
fn files_that_are_no_networks_are_named() {
    let long = "#".repeat(2 << 20);
    let many = format!("name = 'x'\ninput = [8, 8, 3]\nlayer = [{}]", [CONV; 600].join(", "));
    let nested = format!("name = {}", "[".repeat(100_000));
    let cases = [
        ("name = 'x'\ninput = ", &["line 2, column 9"][..]),
        ("input = [8, 8, 3]", &["`name` is missing"]),
        ("name = 'x'", &["network `x`", "`input` is missing", "[32, 32, 3]"]),
        ("name = 'x'\ninput = [8, 8]", &["`input` is [8, 8]"]),
        ("name = 'x'\ninput = [8, 8, -3]", &["`input` is [8, 8, -3]"]),
        ("name = 'x'\ninput = [0, 8, 3]\nlayer = []", &["0 × 8 × 3"]),
        ("name = 'x'\ninput = [8, 8, 3]", &["`layer` is missing", "[[layer]]"]),
        ("name = 'x'\ninput = [8, 8, 3]\nlayer = []", &["the last layer"]),
        ("name = 'x'\ninput = [8, 8, 3]\nlayers = []", &["`layers`", "did you mean `layer`"]),
        (&long, &["2097152 bytes"]),
        (&many, &["600 layers"]),
        (&nested, &["line 1, column", "recurs"]),
    ];
    for (text, words) in cases {
        whole(text, words);
    }
}
