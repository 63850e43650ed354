//! JavaScript environments: the main thread and every worker thread that uses the addon.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use napi::Env;
use residual_runtime::Owner;

use crate::torch_thread::{end_owner, stop_thread};

/// The environments that use the addon, by the address of their `napi_env`.
static OWNERS: Mutex<BTreeMap<usize, Owner>> = Mutex::new(BTreeMap::new());

fn lock_owners() -> MutexGuard<'static, BTreeMap<usize, Owner>> {
    OWNERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the owner of the work that an environment starts. The first call registers a cleanup
/// hook that ends the work with the environment, because a terminated worker thread emits no 'exit'
/// event. Must be called before `torch_thread`.
pub fn register_owner(env: &Env) -> napi::Result<Owner> {
    let address = env.raw() as usize;
    let mut owners = lock_owners();
    if let Some(owner) = owners.get(&address) {
        return Ok(owner.clone());
    }
    let owner = Owner::default();
    let ended = owner.clone();
    env.add_env_cleanup_hook((), move |()| {
        let mut owners = lock_owners();
        owners.remove(&address);
        if owners.is_empty() {
            // The process may exit next, and would crash if its exit interrupted a libtorch call.
            // The lock is held so that no new environment uses the ending thread.
            stop_thread();
        } else {
            drop(owners);
            end_owner(&ended);
        }
    })?;
    owners.insert(address, owner.clone());
    Ok(owner)
}
