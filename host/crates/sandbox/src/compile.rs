//! From the bytes of a component to machine code, within bounds: what is too much is refused before it is
//! compiled, and where a program is named as compiler, it works in processes of
//! their own, with limits of their own.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use wasmparser::{Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::cache;
use crate::engine;
use crate::error::SandboxError;
use crate::limits::{
    BODY_BYTES, COMPILE_CPU_S, COMPILE_MEMORY_BYTES, FUNCTIONS, LOCALS, NESTING, size,
};
use crate::text::clean;

/// Threads of the compiler's process: each takes address space, of which it has a bounded amount.
const THREADS_MAX: usize = 4;
/// Machine code of one component: that of the largest known one, many times over.
const COMPILED_BYTES_MAX: u64 = 1 << 30;
/// What a compiler that fails can say.
const WORDS_BYTES_MAX: u64 = 16 << 10;

/// A program that calls [`compile_child`] when it is started with these arguments.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// Usually the program that runs already: `std::env::current_exe()`.
    pub program: PathBuf,
    /// What tells it to compile, and to do nothing else.
    pub args: Vec<OsString>,
    /// Seconds of processor time for one component.
    pub cpu_s: u64,
    /// Address space for one component.
    pub memory_bytes: u64,
}

impl Compiler {
    /// With the limits [`COMPILE_CPU_S`] and [`COMPILE_MEMORY_BYTES`].
    #[must_use]
    pub fn new(program: PathBuf, args: Vec<OsString>) -> Self {
        Self { program, args, cpu_s: COMPILE_CPU_S, memory_bytes: COMPILE_MEMORY_BYTES }
    }
}

/// Reads limits and a component from standard input, compiles it within them, and writes the machine code to
/// standard output. For the `main` of a program that names itself as [`Compiler`].
#[must_use]
pub fn compile_child() -> ExitCode {
    match compile_input() {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            let _ = std::io::stderr().write_all(words.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn compile_input() -> Result<(), String> {
    let (mut cpu_s, mut memory_bytes, mut source) = ([0; 8], [0; 8], Vec::new());
    let mut input = std::io::stdin().lock();
    let read = input.read_exact(&mut cpu_s).and_then(|()| input.read_exact(&mut memory_bytes));
    read.map_err(|e| e.to_string())?;
    limit_process(u64::from_le_bytes(cpu_s), u64::from_le_bytes(memory_bytes))?;
    input.read_to_end(&mut source).map_err(|e| e.to_string())?;
    let words = |e: wasmtime::Error| e.root_cause().to_string();
    let engine = Engine::new(&engine::compiling()).map_err(words)?;
    let compiled = engine.precompile_component(&source).map_err(words)?;
    let mut output = std::io::stdout().lock();
    // A program that is not Rust's own does not flush it at its end.
    output.write_all(&compiled).and_then(|()| output.flush()).map_err(|e| e.to_string())
}

#[cfg(unix)]
fn limit_process(cpu_s: u64, memory_bytes: u64) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limits = [(Resource::As, memory_bytes), (Resource::Cpu, cpu_s), (Resource::Core, 0)];
    for (resource, limit) in limits {
        let both = Rlimit { current: Some(limit), maximum: Some(limit) };
        let set = setrlimit(resource, both);
        // Not every system knows a limit of the address space; time is limited on all.
        if cfg!(target_os = "linux") || matches!(resource, Resource::Cpu) {
            set.map_err(|e| format!("cannot limit the compiler's process: {e}"))?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn limit_process(_cpu_s: u64, _memory_bytes: u64) -> Result<(), String> {
    Ok(())
}

/// Machine code of a component, and its bytes where somebody would keep them.
pub(crate) fn compile(
    engine: &Engine,
    compiler: Option<&Compiler>,
    source: &[u8],
    label: &str,
) -> Result<(Component, Option<Vec<u8>>), SandboxError> {
    measure(source, label)?;
    let failed = |detail: String| SandboxError::Compile { label: label.to_owned(), detail };
    let words = |e: wasmtime::Error| failed(e.root_cause().to_string());
    let Some(compiler) = compiler else {
        let made = catch_unwind(AssertUnwindSafe(|| Component::new(engine, source)));
        let component = made.map_err(|_| failed("the compiler panicked".to_owned()))?;
        let component = component.map_err(words)?;
        let compiled = component.serialize().ok();
        return Ok((component, compiled));
    };
    let compiled = in_child(compiler, source).map_err(failed)?;
    let component = cache::load(engine, &compiled).map_err(words)?;
    Ok((component, Some(compiled)))
}

/// Refuses what would take the compiler too long, by its parts; costs only a look at each.
fn measure(source: &[u8], label: &str) -> Result<(), SandboxError> {
    let too_much = |what: &'static str, there: u64, limit: u64| {
        Err(SandboxError::TooMuch { label: label.to_owned(), what, there, limit })
    };
    let damaged = |e: wasmparser::BinaryReaderError| SandboxError::Compile {
        label: label.to_owned(),
        detail: e.to_string(),
    };
    let (mut functions, mut depth) = (0, 0);
    for payload in Parser::new(0).parse_all(source) {
        match payload.map_err(damaged)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > NESTING {
                    return too_much("parts within parts", depth, NESTING);
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionStart { count, .. } => {
                functions += u64::from(count);
                if functions > FUNCTIONS {
                    return too_much("functions", functions, FUNCTIONS);
                }
            }
            Payload::CodeSectionEntry(body) => {
                let bytes = body.range().len() as u64;
                if bytes > BODY_BYTES {
                    return too_much("bytes in one function", bytes, BODY_BYTES);
                }
                let mut locals = 0;
                for group in body.get_locals_reader().map_err(damaged)? {
                    locals += u64::from(group.map_err(damaged)?.0);
                }
                if locals > LOCALS {
                    return too_much("locals in one function", locals, LOCALS);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a trap in this component can name file and line.
#[must_use]
pub fn has_debug_info(component: &[u8]) -> bool {
    let mut sections = Parser::new(0).parse_all(component).map_while(Result::ok);
    sections.any(|section| {
        matches!(section, Payload::CustomSection(section) if section.name() == ".debug_line")
    })
}

/// The machine code that the compiler's process makes, or what it died of.
fn in_child(compiler: &Compiler, source: &[u8]) -> Result<Vec<u8>, String> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(THREADS_MAX));
    let mut child = Command::new(&compiler.program)
        .args(&compiler.args)
        .env("RAYON_NUM_THREADS", threads.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start the compiler {}: {e}", compiler.program.display()))?;
    let compiled = talk(&mut child, compiler, source);
    if compiled.is_err() {
        let _ = child.kill();
    }
    let mut words = String::new();
    if let Some(errors) = child.stderr.take() {
        let _ = errors.take(WORDS_BYTES_MAX).read_to_string(&mut words);
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    if status.success() { compiled } else { Err(end_of(compiler, status, words.trim())) }
}

/// Gives a child all of its input and takes all of its output, at the same time: one that is no compiler may
/// answer before it has heard everything.
fn talk(child: &mut Child, compiler: &Compiler, source: &[u8]) -> Result<Vec<u8>, String> {
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (Some(mut input), Some(output)) = (input, output) else { return Ok(Vec::new()) };
    let mut compiled = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // One that died early says below what of.
            let limits =
                [compiler.cpu_s.to_le_bytes(), compiler.memory_bytes.to_le_bytes()].concat();
            let _ = input.write_all(&limits).and_then(|()| input.write_all(source));
        });
        let mut output = output.take(COMPILED_BYTES_MAX + 1);
        output.read_to_end(&mut compiled)
    })
    .map_err(|e| e.to_string())?;
    if compiled.len() as u64 > COMPILED_BYTES_MAX {
        return Err(format!("more than {COMPILED_BYTES_MAX} bytes of machine code"));
    }
    Ok(compiled)
}

/// Why a compiler ended that gave no machine code.
fn end_of(compiler: &Compiler, status: ExitStatus, words: &str) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let Compiler { cpu_s, memory_bytes, .. } = compiler;
        let between = if words.is_empty() { "" } else { ": " };
        return format!(
            "compiling takes more than {cpu_s} s of processor time or {} of memory (signal {signal}){between}{}",
            size(*memory_bytes),
            clean(words)
        );
    }
    if words.is_empty() { format!("the compiler ended with {status}") } else { clean(words).into() }
}
