//! A plugin for tests: each task does one thing that a plugin should not do, and `nothing` does nothing.
//! What it does with files is in `files.rs`, with objects in `objects.rs`, and its actors are in `actors.rs`.

mod actors;
mod files;
mod objects;

use std::hint::black_box;
use std::time::{Duration, Instant};

use mobula_guest::prelude::*;

/// What a task found out.
#[outputs]
struct Report {
    /// In words.
    found: String,
}

#[outputs]
struct Nothing {}

/// How much of it.
#[args]
struct Amount {
    /// Bytes, handles, lines or deepness.
    #[serde(default)]
    amount: u64,
}

#[args]
struct Which {
    /// Which one.
    kind: String,
}

fn report(found: impl Into<String>) -> Result<Report> {
    Ok(Report { found: found.into() })
}

/// Does nothing.
#[task]
fn nothing() -> Result<Nothing> {
    Ok(Nothing {})
}

/// Returns the error of this kind.
#[task]
fn fail(args: Which) -> Result<Nothing> {
    let text = format!("as {} asked", args.kind);
    Err(match args.kind.as_str() {
        "invalid" => Error::Invalid(text),
        "out-of-bounds" => Error::OutOfBounds(text),
        "quota" => Error::Quota(text),
        "denied" => Error::Denied(text),
        "cancelled" => Error::Cancelled,
        _ => Error::Failed(text),
    })
}

#[inline(never)]
fn deep_inside(depth: u64) {
    context::info(&format!("going down to {depth}"));
    assert!(depth > 0, "the bottom is reached");
    deep_inside(depth - 1);
}

/// Panics some calls down.
#[task]
fn panics(args: Amount) -> Result<Nothing> {
    deep_inside(args.amount);
    Ok(Nothing {})
}

#[inline(never)]
fn down_and_down(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    if here[2] == u64::MAX {
        return 0;
    }
    here[1] + down_and_down(black_box(depth + 1)) + here[63]
}

/// Calls itself for ever.
#[task]
fn overflows() -> Result<Report> {
    report(down_and_down(0).to_string())
}

/// Never returns.
#[task]
fn loops() -> Result<Report> {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
        if n == u64::MAX {
            return report("the end");
        }
    }
}

/// Takes so many bytes of memory.
#[task]
fn eats_memory(args: Amount) -> Result<Report> {
    let mut all = Vec::new();
    while (all.len() as u64) << 20 < args.amount {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
    report(all.len().to_string())
}

/// Asks for a tensor of so many bytes.
#[task]
fn large_tensor(args: Amount) -> Result<Nothing> {
    TensorBuilder::new(DType::U8, &[], args.amount).map(|_| Nothing {})
}

/// Asks for so many pages of memory at once, and touches none of them.
#[task]
fn grows_memory(args: Amount) -> Result<Report> {
    #[cfg(target_family = "wasm")]
    let before = core::arch::wasm32::memory_grow::<0>(usize::try_from(args.amount).unwrap_or(0));
    #[cfg(not(target_family = "wasm"))]
    let before = usize::try_from(args.amount).unwrap_or(0);
    report(if before == usize::MAX { "refused" } else { "grown" })
}

/// Keeps so many builders, of a megabyte each.
#[task]
fn many_builders(args: Amount) -> Result<Report> {
    let builders: Result<Vec<TensorBuilder>> =
        (0..args.amount).map(|_| TensorBuilder::new(DType::U8, &[1 << 20], 1)).collect();
    report(builders?.len().to_string())
}

/// Asks for tensors whose shapes say more than there can be.
#[task]
fn lying_shapes(args: Amount) -> Result<Report> {
    let axes = vec![0; usize::try_from(args.amount).unwrap_or(0)];
    let shapes: [(&[u64], u64); 5] = [
        (&axes, 1),
        (&[u64::MAX, u64::MAX], 0),
        (&[u64::MAX, 2], 1),
        (&[1 << 62], 4),
        (&[1], u64::MAX),
    ];
    let made = |(row, rows): &(&[u64], u64)| TensorBuilder::new(DType::F64, row, *rows).is_ok();
    report(format!("{:?}", shapes.iter().map(made).collect::<Vec<_>>()))
}

/// Keeps so many handles.
#[task]
fn many_handles(images: Tensor, args: Amount) -> Result<Report> {
    let handles: Vec<Tensor> = (0..args.amount).map(|_| images.clone()).collect();
    report(handles.len().to_string())
}

/// Writes so many log lines, half of them to standard output.
#[task]
fn talks(args: Amount) -> Result<Nothing> {
    for i in 0..args.amount {
        context::info(&format!("line {i} of a long story that nobody reads to its end"));
        put("and the same once more on standard output");
    }
    Ok(Nothing {})
}

/// Writes one log line of so many bytes.
#[task]
fn shouts(args: Amount) -> Result<Nothing> {
    context::info(&"a\x1b".repeat(usize::try_from(args.amount / 2).unwrap_or(0)));
    Ok(Nothing {})
}

/// Reports so many points of a curve and of progress, and one that is no number.
#[task]
fn reports(args: Amount) -> Result<Nothing> {
    context::metric("loss", 0, f64::NAN);
    for i in 0..args.amount {
        context::metric("loss", i, 0.5);
        context::progress(i, None);
    }
    Ok(Nothing {})
}

fn put(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Sleeps for an hour and looks at the clocks and at random numbers.
#[task]
fn sleeps() -> Result<Report> {
    let start = Instant::now();
    std::thread::sleep(Duration::from_secs(3600));
    let slept = start.elapsed().as_secs();
    let date = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = context::seed();
    let hasher = std::hash::RandomState::new();
    let hash = std::hash::BuildHasher::hash_one(&hasher, 7);
    report(format!("slept {slept} date {:?} seed {seed} hash {hash}", date.map(|d| d.as_secs())))
}

/// Uses every function of tensors once.
#[task]
fn tensors(images: Tensor) -> Result<Report> {
    let all = images.bytes()?;
    let gathered = images.gather(&[1, 0])?.bytes()?;
    let sliced = images.slice(1, 2)?.bytes()?;
    let outside = [
        images.read(u64::MAX, 2).is_err(),
        images.read(all.len() as u64, 1).is_err(),
        images.gather(&[9]).is_err(),
        images.slice(u64::MAX, u64::MAX).is_err(),
        TensorBuilder::new(DType::F64, &[u64::MAX], u64::MAX).is_err(),
    ];
    let mut builder = TensorBuilder::new(DType::U8, &[2], 2)?;
    builder.append(&[5, 6])?;
    let over = builder.append(&[1, 2, 3]).is_err();
    builder.append_rows(&images, &[0])?;
    let built = builder.finish()?.bytes()?;
    let short = TensorBuilder::new(DType::U8, &[2], 2)?.finish().is_err();
    report(format!("{all:?} {gathered:?} {sliced:?} {outside:?} {over} {built:?} {short}"))
}

plugin! {
    tasks: [nothing, fail, panics, overflows, loops, eats_memory, grows_memory, large_tensor, many_builders,
        lying_shapes, many_handles, talks, shouts, reports, sleeps, tensors,
        files::reads, files::writes, files::opens, files::lists, files::looks_around,
        objects::returns_much, objects::returns_json, objects::returns_fields, objects::fails_long,
        objects::emits],
    actors: [actors::Counter, actors::Hoarder, actors::Fragile, actors::Looper],
}
