//! Real trainings that are killed at seeded exponential instants, beside their simulation: how far apart the
//! two are in the mean. `cargo xtask bench checkpoint --live`; the machine should have nothing else to do.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mobula_adaptive::simulate::{Decider, Failure, Job, instants_s, simulate};
use mobula_adaptive::{Config, Cost, PolicyKind};
use serde_json::Value as Json;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Runs, unless said otherwise.
const RUNS: u64 = 30;
/// Epochs of a run, of about a second each.
const EPOCHS: usize = 15;
const IMAGES: &str = "1200";
/// Mean seconds between kills: somewhat less than a run takes.
const MTBF_S: f64 = 12.0;
/// A run is given up after so many times its undisturbed length.
const PATIENCE: f64 = 20.0;

/// A folder with everything that runs need.
struct Place {
    folder: PathBuf,
    program: PathBuf,
    plugins: PathBuf,
}

/// What an undisturbed run takes.
struct Undisturbed {
    /// From the start of the program to its first epoch.
    before_s: f64,
    /// From its last epoch to its end.
    after_s: f64,
    units_s: Vec<f64>,
    /// What its saves cost, and what the first was expected to.
    cost: Cost,
    guess: Cost,
    digest: String,
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (mut runs, mut folders) = (RUNS, Vec::new());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--runs" => runs = args.next().ok_or("--runs N")?.parse()?,
            _ => folders.push(PathBuf::from(arg)),
        }
    }
    let [program, plugins] = &folders[..] else {
        return Err("usage: live PROGRAM PLUGINS [--runs N]".into());
    };
    let folder = std::env::temp_dir().join(format!("mobula-live-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let place = Place { folder, program: program.clone(), plugins: plugins.clone() };
    let told = place.tell_all(runs);
    std::fs::remove_dir_all(&place.folder)?;
    told
}

impl Place {
    fn command(&self, home: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--home").arg(home).args(args).arg("--plugin-dir").arg(&self.plugins);
        command.arg("--json").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn start(&self, home: &Path) -> Command {
        let mount = format!("stage.load.mounts.data={}", self.folder.join("data").display());
        let size = format!("stage.train_subset.args.size={IMAGES}");
        let repeat = format!("stage.train.repeat={EPOCHS}");
        let sets = [&mount, &size, &repeat, "stage.test_subset.args.size=100"];
        let sets = sets.map(|set| ["--set", set]);
        let pipeline = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/cifar10.toml");
        self.command(home, &[&["run", pipeline], sets.as_flattened()].concat())
    }

    fn resume(&self, home: &Path) -> Command {
        self.command(home, &["runs", "resume", "last"])
    }

    fn report(&self, home: &Path) -> Result<Json> {
        let mut command = Command::new(&self.program);
        let found =
            command.arg("--home").arg(home).args(["runs", "show", "last", "--json"]).output()?;
        Ok(serde_json::from_slice(&found.stdout)?)
    }

    fn tell_all(&self, runs: u64) -> Result<()> {
        let data = self.folder.join("data");
        let synth = ["data", "synth", "--train", IMAGES, "--test", "100", "--out"];
        let made = Command::new(&self.program).args(synth).arg(&data).output()?;
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).into_owned().into());
        }
        // The first start compiles the plugins; what it compiled is given to every other home.
        let warm = self.folder.join("warm");
        wait(&mut self.start(&warm).spawn()?, f64::INFINITY)?;
        let Undisturbed { before_s, after_s, units_s, cost, guess, digest } =
            self.undisturbed(&warm)?;
        let length_s: f64 = units_s.iter().sum();
        say(&format!(
            "undisturbed: {EPOCHS} epochs in {length_s:.2} s, {before_s:.2} s before, {after_s:.2} s after; \
             a save blocks {:.1} ms, is written for {:.1} ms and slows down by {:.2} meanwhile; \
             {:.1} ms were expected",
            cost.blocking_s * 1e3,
            cost.background_s * 1e3,
            cost.slowdown,
            (guess.blocking_s + guess.slowdown * guess.background_s) * 1e3
        ))?;
        let job = Job {
            units_s,
            cost,
            cost_end: cost,
            guess: Some(guess),
            cost_noise: 0.0,
            downtime_s: before_s,
            restore_s: 0.0,
        };
        let process = Failure::Exponential { mtbf_s: MTBF_S };
        let (mut measured, mut simulated) = (0.0, 0.0);
        for seed in 0..runs {
            let kills = instants_s(&process, seed, PATIENCE * length_s);
            let found = self.killed(&warm, seed, &kills, &digest)?;
            // The simulation begins with the first epoch and ends with the last.
            let instants_s = kills.iter().map(|kill_s| (kill_s - before_s).max(0.0)).collect();
            let decider = Decider::Controller(Config {
                overhead: Some(0.05),
                ..Config::of(PolicyKind::Adaptive)
            });
            let told = simulate(&job, &Failure::Recorded { instants_s }, decider, seed);
            let of_epochs = found.0 - before_s - after_s;
            say(&format!(
                "run {seed}: {} kills, measured {of_epochs:.2} s, simulated {:.2} s ({:+.1} %)",
                found.1,
                told.makespan_s,
                100.0 * (of_epochs / told.makespan_s - 1.0)
            ))?;
            measured += of_epochs;
            simulated += told.makespan_s;
        }
        say(&format!(
            "mean makespan: measured {:.2} s, simulated {:.2} s: {:+.2} % (goal: within 3 %)",
            measured / runs as f64,
            simulated / runs as f64,
            100.0 * (measured / simulated - 1.0)
        ))
    }

    /// Times one run that nothing happens to.
    fn undisturbed(&self, warm: &Path) -> Result<Undisturbed> {
        let home = self.home(warm, "undisturbed")?;
        let begun = Instant::now();
        wait(&mut self.start(&home).spawn()?, f64::INFINITY)?;
        let whole_s = begun.elapsed().as_secs_f64();
        let report = self.report(&home)?;
        let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
        let stages: Vec<Json> =
            list("stages").into_iter().filter(|stage| stage["name"] == "train").collect();
        let seconds = |value: &Json| value.as_f64().unwrap_or(0.0);
        let units_s: Vec<f64> =
            stages.iter().map(|s| seconds(&s["ended_s"]) - seconds(&s["started_s"])).collect();
        let first_s = stages.first().map_or(0.0, |stage| seconds(&stage["started_s"]));
        let last_s = stages.last().map_or(0.0, |stage| seconds(&stage["ended_s"]));
        // The run's clock begins somewhat after the program's.
        let start_s = (whole_s - seconds(&report["wall_s"])).max(0.0);
        let before_s = start_s + first_s;
        let saves: Vec<Json> =
            list("checkpoints").into_iter().filter(|c| c["stage"] == "train").collect();
        let mean = |of: &dyn Fn(&Json) -> f64| {
            saves.iter().map(of).sum::<f64>() / (saves.len().max(1) as f64)
        };
        let blocking_s = mean(&|save| seconds(&save["blocking_s"]));
        let total_s = mean(&|save| seconds(&save["total_s"]));
        let decided: Vec<Json> =
            list("decisions").into_iter().filter(|d| d["stage"] == "train").collect();
        // Charged is the share of the background part that slows the training down.
        let charged = |at: Option<&Json>| {
            let of = |name: &str| at.map_or(0.0, |decision| seconds(&decision["detail"][name]));
            (of("cost_blocking_s"), of("cost_background_s"))
        };
        let background_s = total_s - blocking_s;
        let slowdown = charged(decided.last()).1 / background_s;
        let cost = Cost { blocking_s, background_s, slowdown };
        let (first_blocking_s, first_charged_s) = charged(decided.first());
        let guess = Cost {
            blocking_s: first_blocking_s,
            background_s: first_charged_s / slowdown,
            slowdown,
        };
        let digest = report["actors"][0]["state_digest"].to_string();
        let after_s = whole_s - start_s - last_s;
        Ok(Undisturbed { before_s, after_s, units_s, cost, guess, digest })
    }

    /// A home with the compiled plugins of another, and nothing else of it.
    fn home(&self, warm: &Path, name: &str) -> Result<PathBuf> {
        let home = self.folder.join(name);
        std::fs::create_dir_all(home.join("cache"))?;
        for entry in std::fs::read_dir(warm.join("cache"))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), home.join("cache").join(entry.file_name()))?;
            }
        }
        Ok(home)
    }

    /// Seconds of a run that is killed at these instants and taken up again at once, and the kills that
    /// came before its end.
    fn killed(&self, warm: &Path, seed: u64, kills: &[f64], digest: &str) -> Result<(f64, usize)> {
        let home = self.home(warm, &format!("run-{seed}"))?;
        let begun = Instant::now();
        let mut child = self.start(&home).spawn()?;
        let mut count = 0;
        for kill_s in kills {
            let left_s = kill_s - begun.elapsed().as_secs_f64();
            if wait(&mut child, left_s)? {
                break;
            }
            child.kill()?;
            child.wait()?;
            count += 1;
            // A run that was killed before it was entered has nothing to be taken up.
            let entered = self.report(&home).is_ok();
            child = if entered { self.resume(&home) } else { self.start(&home) }.spawn()?;
        }
        if !wait(&mut child, f64::INFINITY)? {
            return Err("the run did not end".into());
        }
        let whole_s = begun.elapsed().as_secs_f64();
        let report = self.report(&home)?;
        let found = report["actors"][0]["state_digest"].to_string();
        if found != digest {
            return Err(format!("run {seed} ends with {found} instead of {digest}").into());
        }
        std::fs::remove_dir_all(&home)?;
        Ok((whole_s, count))
    }
}

/// Waits for a program to end well, at most so many seconds; whether it has.
fn wait(child: &mut std::process::Child, seconds: f64) -> Result<bool> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return if status.success() { Ok(true) } else { Err(format!("{status}").into()) };
        }
        if begun.elapsed().as_secs_f64() >= seconds {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
