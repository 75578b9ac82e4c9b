//! How a guest opens what is in its mounts: plain files and folders, and not too many at a time.
//! That a path stays inside of its mount, wasmtime's own opening sees to.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{WasiFilesystemCtxView, WasiFilesystemView as _};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, Host, HostDescriptor, OpenFlags,
    PathFlags,
};

use crate::limits::{FILES, Stop};
use crate::state::State;
use crate::tensors::is_ours;

type Store<'a> = StoreContextMut<'a, State>;
type Answer<T> = wasmtime::Result<(Result<Resource<T>, ErrorCode>,)>;
type Asked = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);

/// Puts these ways of opening in the place of those that would wait for the other end of a pipe, or for a
/// device, where nobody can interrupt them, and of those that take all files that the process may open.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    types.func_wrap("[method]descriptor.open-at", |mut store: Store<'_>, asked| {
        open_at(store.data_mut(), asked)
    })?;
    types.func_wrap("[method]descriptor.read-directory", |mut store: Store<'_>, (folder,)| {
        bounded(store.data_mut(), |view| view.read_directory(folder))
    })?;
    types.func_wrap("[method]descriptor.read-via-stream", |mut store: Store<'_>, (file, at)| {
        bounded(store.data_mut(), |view| view.read_via_stream(file, at))
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

fn open_at(state: &mut State, (folder, follow, path, open, flags): Asked) -> Answer<Descriptor> {
    let here = Resource::<Descriptor>::new_borrow(folder.rep());
    let found = state.filesystem().stat_at(here, follow, path.clone()).map(|found| found.type_);
    match found {
        Ok(DescriptorType::RegularFile | DescriptorType::Directory) => {
            bounded(state, |view| view.open_at(folder, follow, path, open, flags))
        }
        Ok(_) => Ok((Err(ErrorCode::NotPermitted),)),
        // There is nothing to open, and a folder that is only read gets no new files.
        Err(error) => Ok((Err(state.filesystem().convert_error_code(error)?),)),
    }
}

/// Opens something, unless too much is open.
fn bounded<T>(
    state: &mut State,
    open: impl FnOnce(&mut WasiFilesystemCtxView<'_>) -> FsResult<Resource<T>>,
) -> Answer<T> {
    // What is ours holds no file; of the rest only a few entries do not.
    if state.table.iter_mut().filter(|entry| !is_ours(&**entry)).count() >= FILES {
        return Err(wasmtime::Error::new(Stop::Limit("files", FILES.to_string())));
    }
    let mut view = state.filesystem();
    match open(&mut view) {
        Ok(opened) => Ok((Ok(opened),)),
        Err(error) => Ok((Err(view.convert_error_code(error)?),)),
    }
}
