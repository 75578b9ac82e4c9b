//! What a user sees of a pipeline file, right and wrong.

use std::path::Path;

use mobula_contract::{
    FailureKind, Folders, ForeachOver, Override, Pipeline, PipelineErrors, PolicyPlan,
    parse_pipeline,
};

const GOOD: &str = r#"
[pipeline]
name = "cifar10"
seed = 7

[[stage]]
name = "load"
task = "cifar10-load@1.2/load"
mounts = { data = "data/cifar-10" }

[[actor]]
name = "trainer"
native = "cnn"
args = { model = "cifar10-664k", learning_rate = 0.001 }
max_restarts = 5

[[stage]]
name = "train"
actor = "trainer"
method = "train_epoch"
repeat = 10
inputs = { images = "load.x_train" }
memory = "512MiB"

[checkpoint]
policy = "adaptive"
budget = { overhead = 0.05, bytes = "2GiB" }
keep = 3
"#;

fn parse(text: &str, sets: &[&str]) -> Result<Pipeline, PipelineErrors> {
    let folders = Folders { base: Path::new("/file"), current: Path::new("/here") };
    let sets: Vec<Override> =
        sets.iter().map(|s| Override::parse(s).expect("PATH=VALUE")).collect();
    parse_pipeline("p.toml", text, folders, &sets)
}

fn check_error(text: &str, sets: &[&str], wanted: &str) {
    let shown = parse(text, sets).expect_err("a bad file").to_string();
    assert!(shown.contains(wanted), "wanted {wanted:?} in:\n{shown}");
}

#[test]
fn a_good_file_is_read_with_its_defaults() {
    let pipeline = parse(GOOD, &[]).unwrap();
    assert_eq!(pipeline.seed, 7);
    assert_eq!(pipeline.stages[0].mounts["data"], Path::new("/file/data/cifar-10"));
    assert_eq!(pipeline.stages[1].repeat, Some(10));
    assert_eq!(pipeline.stages[1].limits.memory_bytes, Some(512 << 20));
    assert_eq!(pipeline.stages[1].limits.retries, 3);
    assert_eq!(pipeline.actors[0].limits.retries, 5);
    assert_eq!(pipeline.checkpoint.bytes, Some(2 << 30));
}

#[test]
fn set_reaches_every_value_by_name() {
    let pipeline = parse(
        GOOD,
        &[
            "stage.train.repeat=5",
            "stage.load.mounts.data=cifar",
            "actor.trainer.args.model=strided-593k",
            "checkpoint.policy=always",
            "stage.train.args.batch_size=32",
            "pipeline.seed=9",
        ],
    )
    .unwrap();
    assert_eq!(pipeline.stages[1].repeat, Some(5));
    assert_eq!(pipeline.stages[0].mounts["data"], Path::new("/here/cifar"));
    assert_eq!(pipeline.actors[0].args["model"], "strided-593k");
    assert_eq!(pipeline.checkpoint.policy, PolicyPlan::Always);
    assert_eq!(pipeline.stages[1].args["batch_size"], 32);
    assert_eq!(pipeline.seed, 9);
    let every = parse(GOOD, &["checkpoint.policy=every=4"]).unwrap();
    assert_eq!(every.checkpoint.policy, PolicyPlan::Every(4));
}

#[test]
fn set_of_nothing_is_named() {
    check_error(
        GOOD,
        &["stage.trian.repeat=5"],
        "--set stage.trian.repeat: nothing here is named `trian`",
    );
    check_error(GOOD, &["stage.train.repaet=5"], "no key `repaet`: did you mean `repeat`?");
    assert!(Override::parse("stage").is_err());
}

#[test]
fn all_problems_are_reported_together_with_their_lines() {
    let bad = GOOD
        .replace("repeat = 10", "repaet = 10")
        .replace("load.x_train", "laod.x_train")
        .replace("keep = 3", "keep = 0")
        .replace("actor = \"trainer\"", "actor = \"trianer\"");
    let shown = parse(&bad, &[]).unwrap_err().to_string();
    for wanted in [
        "p.toml:21:10: stage `train` has no key `repaet`: did you mean `repeat`?",
        "comes from stage `laod`, which the file does not have: did you mean `load`?",
        "`keep` of [checkpoint] must be a whole number from 1, not 0",
        "calls actor `trianer`, which the file does not have: did you mean `trainer`?",
    ] {
        assert!(shown.contains(wanted), "wanted {wanted:?} in:\n{shown}");
    }
}

/// The good file, and a stage with these lines.
fn with_stage(lines: &str) -> String {
    format!("{GOOD}\n[[stage]]\nname = \"each\"\ntask = \"p/each\"\n{lines}\n")
}

#[test]
fn foreach_is_a_list_a_field_or_a_stream() {
    let foreach = |lines: &str| {
        let pipeline = parse(&with_stage(lines), &[]).unwrap();
        pipeline.stages[2].foreach.clone().unwrap()
    };
    let list = foreach("foreach = [1, \"two\"]");
    let values = vec![1.into(), "two".into()];
    assert_eq!((list.over, list.name.as_str()), (ForeachOver::List { values }, "item"));
    let rows = foreach("foreach = { over = \"load.x_train\", as = \"images\", rows = 100 }");
    assert!(matches!(rows.over, ForeachOver::Field { from } if from.field == "x_train"));
    assert_eq!((rows.name.as_str(), rows.rows), ("images", 100));
    let stream = foreach("foreach = \"load\"");
    assert_eq!(stream.over, ForeachOver::Stream { stage: "load".to_owned() });
    for (lines, wanted) in [
        ("foreach = []", "`foreach` of stage `each` is an empty list"),
        ("foreach = 3", "`foreach` of stage `each` must be a list, \"stage.field\" or the name"),
        ("foreach = \"laod\"", "which the file does not have: did you mean `load`?"),
        ("foreach = \"train\"", "only a task that runs once can stream, not `train`"),
        ("foreach = { as = \"x\" }", "`foreach` of stage `each` needs `over`"),
        ("foreach = { over = [1], rwos = 1 }", "no key `rwos`: did you mean `rows`?"),
        ("foreach = [1]\nrepeat = 2", "both `repeat` and `foreach`: choose one"),
        ("foreach = \"each.x\"", "stages wait for each other: each → each"),
    ] {
        check_error(&with_stage(lines), &[], wanted);
    }
}

#[test]
fn retries_and_processors_can_be_chosen() {
    let lines = "retry_on = [\"quota\", \"worker-lost\"]\nretry_delay_ms = 0\ncpus = 0.5";
    let limits = &parse(&with_stage(lines), &[]).unwrap().stages[2].limits;
    let kinds = vec![FailureKind::Quota, FailureKind::WorkerLost];
    assert_eq!((limits.retry.on.clone(), limits.retry.delay_ms), (Some(kinds), Some(0)));
    assert_eq!(limits.cpus, Some(0.5));
    check_error(&with_stage("retry_on = [\"sometimes\"]"), &[], "must be a list of failed, trap,");
    check_error(&with_stage("retry_on = [\"cancelled\"]"), &[], "must be a list of failed, trap,");
    check_error(&with_stage("cpus = 0"), &[], "`cpus` of stage `each` must be a number from 0.01");
}

#[test]
fn cycles_are_shown_in_order() {
    let cycle = r#"
[[stage]]
name = "a"
task = "p/a"
inputs = { x = "b.x" }
[[stage]]
name = "b"
task = "p/b"
inputs = { x = "a.x" }
"#;
    check_error(cycle, &[], "stages wait for each other");
    let on_itself = "[[stage]]\nname = \"a\"\ntask = \"p/a\"\ninputs = { x = \"a.x\" }\n";
    check_error(on_itself, &[], "stages wait for each other: a → a");
}

#[test]
fn broken_and_empty_files_are_refused() {
    check_error("[[stage]\n", &[], "p.toml:1:");
    check_error("", &[], "the pipeline has no [[stage]]");
    check_error("[[stage]]\nname = \"a\"\n", &[], "needs either `task`, or both");
    check_error("[[stage]]\nname = \"a\"\ntask = \"nope\"\n", &[], "must be \"plugin/task\"");
    check_error(GOOD, &["stage.train.repeat=4000000000"], "1000000 are allowed");
    check_error(GOOD, &["stage.train.inputs.images=load[1].x"], "repeated 1 times");
}
