//! `mobula serve`: the API and the dashboard, until somebody asks it to go.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use mobula_server::{ServeConfig, Tls, watch};
use serde_json::json;

use crate::exit::{Ended, Exit};
use crate::home;
use crate::output::{Output, to_stdout};
use crate::serve::HostHouse;
use crate::serve::args::ServeArgs;
use crate::serve::settings::{DOCUMENTED, LOCK, Settings};
use crate::signals;

pub(crate) fn perform(
    args: &ServeArgs,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    if args.openapi {
        return to_stdout(&mobula_server::openapi());
    }
    if args.print_config {
        return to_stdout(DOCUMENTED.trim_end());
    }
    let home = home::folder(home)?;
    let settings = Settings::of(args, &home)?;
    let tls = settings.tls.clone().map(Tls::read).transpose();
    let tls = tls.map_err(|e| Ended::error(Exit::Invalid, e.to_string()))?;
    let house = Arc::new(HostHouse::open(&home)?);
    let _only = alone(&home)?;
    let listener = TcpListener::bind(settings.listen).map_err(|e| {
        let message = format!("cannot listen at {}: {e}: another --listen?", settings.listen);
        Ended::error(Exit::Failed, message)
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    let (stop, stopping) = watch::channel(false);
    let (going, grace) = (Arc::clone(&house), settings.grace);
    signals::on_first(move |_| {
        going.begin_end(grace);
        let _ = stop.send(true);
    })?;
    let taken = house.take_up(&|text| output.note(text))?;
    if taken > 0 {
        output.note(&format!("took up {taken} runs that were under way when the server ended"));
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    if let Some(file) = &settings.ports_file {
        let document = json!({ "address": address, "port": address.port(), "url": url,
            "pid": std::process::id() });
        super::write_file(file, format!("{document}\n").as_bytes())?;
    }
    if !address.ip().is_loopback() && settings.hosts.is_empty() {
        output.note("the server listens for other machines: say by which names they reach it, with --host NAME");
    }
    output.note(&format!("listening at {url}; log in, once and within 15 minutes, at"));
    output.note(&format!("{url}/api/v1/login?code={}", house.new_code()?));
    if let Some(file) = &settings.file {
        output.note(&format!("settings of {}", file.display()));
    }
    let Settings { hosts, https, .. } = settings;
    let config = ServeConfig { listener, hosts, https, tls };
    let served = mobula_server::serve(config, Arc::clone(&house) as _, stopping);
    house.end(grace);
    served.context("the server cannot go on")?;
    output.note("the server ended; runs that were under way go on at its next start");
    Ok(())
}

/// Two servers over one home would both take up what an earlier one left.
fn alone(home: &Path) -> anyhow::Result<std::fs::File> {
    let path = home.join(LOCK);
    let folder = path.parent().expect("it is in a folder");
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let open = std::fs::File::options().create(true).append(true).open(&path);
    let file = open.with_context(|| path.display().to_string())?;
    file.try_lock().map_err(|_| {
        let message =
            format!("another server is over {} already: stop it, or say --home", home.display());
        Ended::error(Exit::Failed, message)
    })?;
    Ok(file)
}
