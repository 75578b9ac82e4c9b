//! `mobula serve`: the API and the dashboard, until somebody asks it to go.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mobula_server::{ServeConfig, watch};
use serde_json::json;

use crate::exit::{Ended, Exit};
use crate::home;
use crate::output::{Output, to_stdout};
use crate::serve::HostHouse;
use crate::serve::args::ServeArgs;
use crate::signals;

pub(crate) fn perform(
    args: &ServeArgs,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    if args.openapi {
        return to_stdout(&mobula_server::openapi());
    }
    let home = home::folder(home)?;
    let house = Arc::new(HostHouse::open(&home)?);
    let _only = alone(&home)?;
    let listener = TcpListener::bind(args.listen).map_err(|e| {
        let message = format!("cannot listen at {}: {e}: another --listen?", args.listen);
        Ended::error(Exit::Failed, message)
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    let (stop, stopping) = watch::channel(false);
    let (going, grace) = (Arc::clone(&house), Duration::from_secs_f64(args.grace.min(3600.0)));
    signals::on_first(move |_| {
        going.begin_end(grace);
        let _ = stop.send(true);
    })?;
    let taken = house.take_up(&|text| output.note(text))?;
    if taken > 0 {
        output.note(&format!("took up {taken} runs that were under way when the server ended"));
    }
    let url = format!("http://{address}");
    if let Some(file) = &args.ports_file {
        let document = json!({ "address": address, "port": address.port(), "url": url,
            "pid": std::process::id() });
        super::write_file(file, format!("{document}\n").as_bytes())?;
    }
    if !address.ip().is_loopback() && args.hosts.is_empty() {
        output.note("the server listens for other machines: say by which names they reach it, with --host NAME");
    }
    output.note(&format!("listening at {url}; log in, once and within 15 minutes, at"));
    output.note(&format!("{url}/api/v1/login?code={}", house.new_code()?));
    let config = ServeConfig { listener, hosts: args.hosts.clone(), https: args.https };
    let served = mobula_server::serve(config, Arc::clone(&house) as _, stopping);
    house.end(grace);
    served.context("the server cannot go on")?;
    output.note("the server ended; runs that were under way go on at its next start");
    Ok(())
}

/// Two servers over one home would both take up what an earlier one left.
fn alone(home: &Path) -> anyhow::Result<std::fs::File> {
    let folder = home.join("locks");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let path = folder.join("serve");
    let open = std::fs::File::options().create(true).append(true).open(&path);
    let file = open.with_context(|| path.display().to_string())?;
    file.try_lock().map_err(|_| {
        let message =
            format!("another server is over {} already: stop it, or say --home", home.display());
        Ended::error(Exit::Failed, message)
    })?;
    Ok(file)
}
