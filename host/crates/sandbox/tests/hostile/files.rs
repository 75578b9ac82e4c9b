//! Mounts: what is in them can be read, and nothing else can be done.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::*;
use mobula_sandbox::FILES;

fn mounted(folder: &Path) -> Grants {
    Grants { mounts: vec![("data".to_owned(), folder.to_owned())], ..Grants::default() }
}

#[test]
fn mounts_are_read_only_and_have_no_way_out() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("a.txt"), "hello").unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    symlink(&secret, folder.path().join("link")).unwrap();
    symlink(outside.path(), folder.path().join("out")).unwrap();
    let name = outside.path().file_name().unwrap().to_str().unwrap();
    symlink(format!("../{name}/secret"), folder.path().join("relative")).unwrap();
    symlink("a.txt", folder.path().join("inside")).unwrap();
    symlink("circle", folder.path().join("circle")).unwrap();
    let grants = mounted(folder.path());
    let run = |task, path: &str| attack(task).kind(path).granted(&grants).run();
    assert_eq!(found(run("reads", "/data/a.txt")), "hello");
    assert_eq!(
        found(run("reads", "/data/inside")),
        "hello",
        "a link within its mount may be followed"
    );
    let ways = [
        "/data/link",
        "/data/out/secret",
        "/data/relative",
        "/data/circle",
        &format!("/data/../{name}/secret"),
        &format!("/data/./x/../../{name}/secret"),
        secret.to_str().unwrap(),
        "/etc/passwd",
        "../../../../../etc/passwd",
    ];
    for way in ways {
        let failure = run("reads", way).unwrap_err();
        assert!(!failure.message.contains("secret\n"), "{way}: {failure}");
    }
    for way in ["/data/a.txt", "/data/new.txt", "/data/link", "/data/relative", "/data/out/new"] {
        assert!(run("writes", way).is_err(), "{way}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("a.txt")).unwrap(), "hello");
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "secret");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    let failure = attack("nothing").granted(&mounted(&PathBuf::from("/no/such"))).ear();
    let failure = plugin().run_task("nothing", "{}", Object::default(), &failure.0).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.message.contains("mount `data`: /no/such"), "{failure}");
}

/// Whether this machine lets us make what no plain file is.
fn made(program: &str, args: &[&str]) -> bool {
    std::process::Command::new(program).args(args).output().is_ok_and(|out| out.status.success())
}

#[test]
fn pipes_devices_and_sockets_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut names = Vec::new();
    if made("mkfifo", &[&path("pipe")]) {
        // Should a worker wait for it after all, then the test fails instead of hanging.
        let pipe = path("pipe");
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(20));
            drop(std::fs::OpenOptions::new().write(true).open(pipe));
        });
        names.push("pipe");
        symlink("pipe", path("link")).unwrap();
        names.push("link");
    }
    if made("mknod", &[&path("zero"), "c", "1", "5"]) {
        names.push("zero");
    }
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    names.push("socket");
    let grants = mounted(folder.path());
    for name in names {
        for task in ["reads", "writes"] {
            let attack = attack(task).kind(&format!("/data/{name}")).granted(&grants);
            attack.fails(FailureKind::Denied, "not permitted");
        }
    }
}

#[test]
fn open_files_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "hello").unwrap();
    let grants = mounted(folder.path());
    let open = |task, path: &str, amount: usize, close: bool| {
        let args = serde_json::json!({ "path": path, "amount": amount, "close": close });
        Attack { args: args.to_string(), ..attack(task) }.granted(&grants)
    };
    for (task, path) in [("opens", "/data/a.txt"), ("lists", "/data")] {
        open(task, path, 5000, false).reaches("files (64)");
        open(task, path, FILES / 4, false).run().unwrap();
        open(task, path, 5000, true).run().unwrap();
    }
}
