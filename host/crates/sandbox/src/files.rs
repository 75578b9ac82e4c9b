//! How a guest opens what is in its mounts: plain files and folders, and not too many at a time.
//! That a path stays inside of its mount, wasmtime's own opening sees to.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::WasiFilesystemView as _;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, Host, HostDescriptor, OpenFlags,
    PathFlags,
};

use crate::limits::{FILES, Stop};
use crate::state::State;
use crate::tensors::is_ours;

type Opened = wasmtime::Result<(Result<Resource<Descriptor>, ErrorCode>,)>;
type Asked = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);

/// Puts this way of opening in the place of the one that would wait for the other end of a pipe, or for a
/// device, where nobody can interrupt it.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance("wasi:filesystem/types@0.2.12")?.func_wrap(
        "[method]descriptor.open-at",
        |mut store: StoreContextMut<'_, State>, asked| open_at(store.data_mut(), asked),
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

fn open_at(state: &mut State, (folder, follow, path, open, flags): Asked) -> Opened {
    // What is ours holds no file; of the rest only a few entries do not.
    if state.table.iter_mut().filter(|entry| !is_ours(&**entry)).count() >= FILES {
        return Err(wasmtime::Error::new(Stop::Limit("files", FILES.to_string())));
    }
    let mut view = state.filesystem();
    let here = Resource::new_borrow(folder.rep());
    let opened = match view.stat_at(here, follow, path.clone()).map(|found| found.type_) {
        Ok(DescriptorType::RegularFile | DescriptorType::Directory) => {
            view.open_at(folder, follow, path, open, flags)
        }
        // There is nothing to open, and a folder that is only read gets no new files.
        Err(error) => Err(error),
        Ok(_) => return Ok((Err(ErrorCode::NotPermitted),)),
    };
    Ok((match opened {
        Ok(file) => Ok(file),
        Err(error) => Err(view.convert_error_code(error)?),
    },))
}
