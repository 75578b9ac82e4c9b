//! `cargo xtask demo`: from a fresh clone to the finished reference pipeline.

use anyhow::Result;

use crate::run::{cargo, run, say, setup, target};
use crate::{plugins, test, web};

pub(crate) fn demo() -> Result<()> {
    setup()?;
    test::guard()?;
    plugins::build()?;
    let dashboard = web::build()?;
    cargo(&["build", "--release", "-p", "mobula"])?;
    let target = target()?;
    let path = |part: &str| target.join(part).display().to_string();
    let (mobula, data, home) =
        (path("release/mobula"), path("demo/cifar-10-synth"), path("demo/home"));
    if !target.join("demo/cifar-10-synth/test_batch.bin").is_file() {
        say("making a data set in the CIFAR-10 layout (synthetic: textured shapes, not CIFAR-10)");
        run(&mobula, &["data", "synth", "--out", &data])?;
    }
    let mount = format!("stage.load.mounts.data={data}");
    let pipeline = "host/pipelines/cifar10.toml";
    run(&mobula, &["--home", &home, "run", pipeline, "--set", &mount])?;
    say("");
    say(&format!("the history is in {home}/mobula.db; look at it with:"));
    for command in ["runs show last", "runs timeline last -o trace.json", "checkpoints list"] {
        say(&format!("  {mobula} --home {home} {command}"));
    }
    if dashboard {
        say("the dashboard shows it too; start it, and open the link that it prints:");
        say(&format!("  {mobula} --home {home} serve"));
    }
    Ok(())
}
