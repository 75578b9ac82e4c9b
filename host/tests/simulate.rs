//! `mobula simulate` as scripts use it: the documents in and out, and what it refuses.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;

use common::Mobula;
use serde_json::{Value as Json, json};

fn regime(failure: &Json) -> Json {
    json!({"name": "r", "units": 60, "unit_s": 15.0, "unit_end_s": 15.0, "cost_s": 1.0, "cost_end_s": 1.0,
        "blocking_fraction": 0.2, "background_slowdown": 0.4, "cost_noise": 0.15, "downtime_s": 2.0,
        "restore_s": 0.5, "failure": failure})
}

#[test]
fn a_file_of_regimes_gives_a_row_for_each_policy() {
    let mobula = Mobula::new();
    let file = mobula.home.path().join("regimes.json");
    let kinds = [
        json!({"kind": "none"}),
        json!({"kind": "exponential", "mtbf_s": 600}),
        json!({"kind": "weibull", "shape": 0.5, "mtbf_s": 600}),
        json!({"kind": "burst", "quiet_mtbf_s": 3600, "burst_mtbf_s": 60, "quiet_len_s": 900, "burst_len_s": 90}),
        json!({"kind": "spot", "period_s": 600, "notice_s": 30}),
    ];
    let regimes: Vec<Json> = kinds.iter().map(regime).collect();
    let names = ["adaptive", "threshold", "young-daly", "every=5", "always", "never", "oracle"];
    let document = json!({"seeds": 10, "policies": names, "regimes": regimes});
    fs::write(&file, document.to_string()).unwrap();
    let chart = mobula.home.path().join("chart.svg");
    let (file, chart_file) = (file.display().to_string(), chart.display().to_string());
    let arguments = ["simulate", "--regimes", &file, "--json", "--chart", &chart_file];
    let answer = mobula.run(&arguments).json();
    assert_eq!(answer["$type"], "simulation");
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 5 * 7);
    for row in rows {
        assert!(row["makespan_ratio"].as_f64().unwrap() >= 0.999, "{row}");
        for field in ["stderr", "regret_to_oracle_percent", "checkpoints", "overhead"] {
            assert!(row[field].is_f64(), "{field}: {row}");
        }
        if row["policy"] == "oracle" {
            assert_eq!(row["regret_to_oracle_percent"], 0.0);
        }
    }
    assert_eq!(mobula.run(&arguments).json(), answer);
    assert!(fs::read_to_string(chart).unwrap().contains("adaptive"));
}

#[test]
fn mistakes_in_a_file_are_told_with_regime_and_field() {
    let mobula = Mobula::new();
    let file = mobula.home.path().join("regimes.json");
    let path = file.display().to_string();
    let mut wrong = regime(&json!({"kind": "exponential", "mtbf_s": -1}));
    let cases = [
        (json!({"regimes": [wrong.clone()]}), "failure.mtbf_s"),
        (json!({"regimes": [regime(&json!({"kind": "plague"}))]}), "`plague`"),
        (json!({"regimes": []}), "regimes"),
        (
            json!({"regimes": [regime(&json!({"kind": "none"}))], "policies": ["nobody"]}),
            "`nobody`",
        ),
        (json!({"regimes": [regime(&json!({"kind": "none", "mtbf_s": 1}))]}), "failure.mtbf_s"),
    ];
    for (document, word) in cases {
        fs::write(&file, document.to_string()).unwrap();
        mobula.run(&["simulate", "--regimes", &path]).refused(2, &[word]);
    }
    wrong["failure"] = json!({"kind": "none"});
    wrong["unit"] = json!(3);
    wrong["units"] = json!(0);
    wrong["cost_s"] = json!("dear");
    fs::write(&file, json!({"regimes": [wrong]}).to_string()).unwrap();
    let words = ["regime `r`", "`unit` is unknown", "`units`", "`cost_s`"];
    mobula.run(&["simulate", "--regimes", &path]).refused(2, &words);
    mobula.run(&["simulate", "--regimes", "/nowhere/r.json"]).refused(4, &["cannot read"]);
    mobula.run(&["simulate", "--policies", "nobody"]).refused(2, &["`nobody`"]);
    mobula.run(&["simulate", "--chart", "c.png"]).refused(2, &[".svg"]);
    mobula.run(&["simulate", "--run", "r-nowhere"]).refused(4, &["r-nowhere"]);
}
