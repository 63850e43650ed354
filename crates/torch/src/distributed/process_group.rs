//! A group of processes that exchange tensors.

use std::ffi::{CString, c_char, c_void};
use std::net::{TcpListener, ToSocketAddrs};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use residual_spec::{Error, ErrorCode, Result};
use tch::Tensor;
use torch_sys::C_tensor;

use super::Rendezvous;
use crate::{residual_last_error, string_from_c};

/// `Group` of process_group.cpp, opaque to Rust.
#[repr(C)]
struct Group([u8; 0]);

/// `Work` of process_group.cpp, opaque to Rust.
#[repr(C)]
struct WorkHandle([u8; 0]);

unsafe extern "C" {
    fn residual_store_connect(
        host: *const c_char,
        port: u16,
        listen_fd: i32,
        timeout_ms: i64,
        prefix: *const c_char,
        output: *mut *mut Group,
    ) -> bool;
    fn residual_group_init(
        group: *mut Group,
        address: *const c_char,
        rank: i32,
        size: i32,
        timeout_ms: i64,
    ) -> bool;
    fn residual_group_free(group: *mut Group);
    fn residual_group_set(
        group: *mut Group,
        key: *const c_char,
        value: *const u8,
        size: usize,
    ) -> bool;
    fn residual_group_get(
        group: *mut Group,
        key: *const c_char,
        owner: *mut c_void,
        receive: extern "C" fn(*mut c_void, *const u8, usize),
    ) -> bool;
    fn residual_group_all_reduce(
        group: *mut Group,
        tensor: *const C_tensor,
        output: *mut *mut WorkHandle,
    ) -> bool;
    fn residual_group_broadcast(
        group: *mut Group,
        tensor: *const C_tensor,
        root: i32,
        output: *mut *mut WorkHandle,
    ) -> bool;
    fn residual_work_wait(work: *mut WorkHandle) -> bool;
}

/// The processes of a training, connected by gloo. All ranks must call the same functions in the same
/// order.
pub struct ProcessGroup {
    group: *mut Group,
    rendezvous: Rendezvous,
}

impl ProcessGroup {
    /// Meets all other ranks at the address of the rendezvous. Rank 0 serves the store there, unless
    /// the launcher does. `number` counts the groups that this process has joined. `timeout` limits this
    /// call and every later wait for another rank.
    ///
    /// On one machine, nothing listens on other addresses than loopback.
    ///
    /// # Errors
    /// `E_DISTRIBUTED`: the port is in use, or a rank did not come within the timeout.
    pub fn connect(rendezvous: Rendezvous, number: u32, timeout: Duration) -> Result<ProcessGroup> {
        let host = to_c_string(&rendezvous.master_addr)?;
        let port = rendezvous.master_port;
        let listen_fd = if rendezvous.rank == 0 && !rendezvous.uses_agent_store {
            bind_first(&rendezvous)?
        } else {
            -1
        };
        // The store of a launcher still has the keys of earlier groups.
        let prefix = to_c_string(&format!("residual/{}/{number}/", rendezvous.restart_count))?;
        let timeout_ms = timeout.as_millis().try_into().unwrap_or(i64::MAX);
        let mut group = std::ptr::null_mut();
        // SAFETY: the strings end with NUL, and the store takes the ownership of the socket.
        let is_ok = unsafe {
            let (host, prefix) = (host.as_ptr(), prefix.as_ptr());
            residual_store_connect(host, port, listen_fd, timeout_ms, prefix, &mut group)
        };
        let group = ProcessGroup { group, rendezvous };
        group.check(is_ok, "could not reach the store")?;
        if listen_fd >= 0 {
            served().push(address(&group.rendezvous));
        }
        let loopback = c"127.0.0.1";
        let is_local = group.rendezvous.local_world_size == group.rendezvous.world_size;
        let address = if is_local { loopback.as_ptr() } else { std::ptr::null() };
        let (rank, size) = (group.rank() as i32, group.size() as i32);
        // SAFETY: the group is alive, and the address ends with NUL or is null.
        let is_ok = unsafe { residual_group_init(group.group, address, rank, size, timeout_ms) };
        group.check(is_ok, "could not connect to the other ranks")?;
        Ok(group)
    }

    /// Returns the number of this process, from 0.
    pub fn rank(&self) -> u32 {
        self.rendezvous.rank
    }

    /// Returns the number of processes.
    pub fn size(&self) -> u32 {
        self.rendezvous.world_size
    }

    /// Replaces a CPU tensor by the sum over all ranks.
    pub fn all_reduce(&self, tensor: &Tensor) -> Result<()> {
        self.start_all_reduce(tensor)?.wait()
    }

    /// Starts [`ProcessGroup::all_reduce`]. The tensor must not be used before the end of the operation.
    pub fn start_all_reduce(&self, tensor: &Tensor) -> Result<Work<'_>> {
        self.start(|output| {
            // SAFETY: the group and the tensor are alive.
            unsafe { residual_group_all_reduce(self.group, tensor.as_ptr(), output) }
        })
    }

    /// Replaces a CPU tensor by that of rank `root`.
    pub fn broadcast(&self, tensor: &Tensor, root: u32) -> Result<()> {
        let work = self.start(|output| {
            // SAFETY: the group and the tensor are alive.
            unsafe { residual_group_broadcast(self.group, tensor.as_ptr(), root as i32, output) }
        })?;
        work.wait()
    }

    /// Stores a value for all ranks. Each key is set once.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        let key = to_c_string(key)?;
        // SAFETY: the group is alive, and the pointers are valid during the call.
        let is_ok =
            unsafe { residual_group_set(self.group, key.as_ptr(), value.as_ptr(), value.len()) };
        self.check(is_ok, "could not write to the store")
    }

    /// Waits until a rank has set a key, and returns the value.
    pub fn get(&self, key: &str) -> Result<Vec<u8>> {
        extern "C" fn receive(owner: *mut c_void, value: *const u8, size: usize) {
            // SAFETY: `owner` is the vector of the caller, and `value` has `size` bytes.
            unsafe { (*owner.cast::<Vec<u8>>()).extend(std::slice::from_raw_parts(value, size)) }
        }
        let name = to_c_string(key)?;
        let mut value = Vec::new();
        // SAFETY: the group is alive, and `receive` writes to the vector during the call.
        let is_ok = unsafe {
            let owner = (&raw mut value).cast();
            residual_group_get(self.group, name.as_ptr(), owner, receive)
        };
        self.check(is_ok, &format!("did not find `{key}` in the store"))?;
        Ok(value)
    }

    fn start(&self, call: impl FnOnce(*mut *mut WorkHandle) -> bool) -> Result<Work<'_>> {
        let mut work = std::ptr::null_mut();
        self.check(call(&mut work), "lost the connection to another rank")?;
        Ok(Work { work, group: self })
    }

    /// Converts the status of a shim function to a `Result`.
    fn check(&self, is_ok: bool, what: &str) -> Result<()> {
        if is_ok {
            return Ok(());
        }
        // SAFETY: the message is a thread-local C string that is valid until the next shim call.
        let cause = unsafe { string_from_c(residual_last_error()) };
        Err(self.error(what, &cause))
    }

    fn error(&self, what: &str, cause: &str) -> Error {
        let Rendezvous { rank, world_size, master_addr, master_port, .. } = &self.rendezvous;
        // gloo starts its messages with the place in its source code: `[file.cc:123] `.
        let cause = cause.lines().next().unwrap_or_default();
        let cause = match cause.split_once("] ") {
            Some((place, rest)) if place.starts_with('[') => rest,
            Some(_) | None => cause,
        };
        let message = format!("rank {rank} of {world_size} {what}: {cause}");
        Error::new(ErrorCode::Distributed, message).hint(format!(
            "See the output of the other ranks. Every rank must reach {master_addr}:{master_port}."
        ))
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if !self.group.is_null() {
            // SAFETY: the group has no other owner.
            unsafe { residual_group_free(self.group) }
        }
    }
}

/// An operation in progress.
#[must_use = "the operation ends when `wait` returns"]
pub struct Work<'g> {
    work: *mut WorkHandle,
    group: &'g ProcessGroup,
}

impl Work<'_> {
    /// Waits for the end of the operation.
    ///
    /// # Errors
    /// `E_DISTRIBUTED` if another rank ended, or did not take part within the timeout.
    pub fn wait(mut self) -> Result<()> {
        let work = std::mem::replace(&mut self.work, std::ptr::null_mut());
        // SAFETY: the handle is used once.
        let is_ok = unsafe { residual_work_wait(work) };
        self.group.check(is_ok, "lost the connection to another rank")
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if !self.work.is_null() {
            // The operation writes to its tensor until it ends. An error has no receiver here.
            // SAFETY: the handle is used once.
            unsafe { residual_work_wait(self.work) };
        }
    }
}

/// Addresses at which this process serves a store.
static SERVED: Mutex<Vec<(String, u16)>> = Mutex::new(Vec::new());

/// Calls [`bind`] for the first group of an address. Returns -1 for later groups, which use its store.
fn bind_first(rendezvous: &Rendezvous) -> Result<i32> {
    if served().contains(&address(rendezvous)) { Ok(-1) } else { bind(rendezvous) }
}

fn served() -> MutexGuard<'static, Vec<(String, u16)>> {
    SERVED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn address(rendezvous: &Rendezvous) -> (String, u16) {
    (rendezvous.master_addr.clone(), rendezvous.master_port)
}

/// Binds the socket of the store to the address of this machine that the other ranks connect to. Returns
/// the descriptor of the listening socket, which the caller owns.
fn bind(rendezvous: &Rendezvous) -> Result<i32> {
    let Rendezvous { master_addr, master_port, .. } = rendezvous;
    let place = format!("{master_addr}:{master_port}");
    let listen = || {
        let addresses: Vec<_> = (master_addr.as_str(), *master_port).to_socket_addrs()?.collect();
        TcpListener::bind(addresses.as_slice())
    };
    let listener = listen().map_err(|cause| {
        Error::new(
            ErrorCode::Distributed,
            format!("rank 0 could not listen at {place}: {cause}"),
        )
        .hint("Set MASTER_PORT to a free port, and MASTER_ADDR to an address of rank 0's machine.")
    })?;
    into_descriptor(listener)
}

#[cfg(unix)]
fn into_descriptor(listener: TcpListener) -> Result<i32> {
    use std::os::fd::IntoRawFd;
    Ok(listener.into_raw_fd())
}

#[cfg(windows)]
fn into_descriptor(_: TcpListener) -> Result<i32> {
    Err(Error::new(ErrorCode::Distributed, "several processes are not supported on Windows"))
}

fn to_c_string(text: &str) -> Result<CString> {
    CString::new(text)
        .map_err(|_| Error::new(ErrorCode::Distributed, format!("`{text}` contains a NUL byte")))
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use tch::{Device, Kind};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(20);

    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    fn rendezvous(rank: u32, world_size: u32, master_port: u16) -> Rendezvous {
        Rendezvous {
            rank,
            world_size,
            local_rank: rank,
            local_world_size: world_size,
            master_addr: "127.0.0.1".into(),
            master_port,
            restart_count: 0,
            uses_agent_store: false,
        }
    }

    /// Calls `body` for each rank, in a thread of its own, and returns the results by rank.
    fn with_ranks<T: Send>(size: u32, body: impl Fn(ProcessGroup) -> T + Sync) -> Vec<T> {
        connect_ranks(size, free_port(), 0, body)
    }

    fn connect_ranks<T: Send>(
        size: u32,
        port: u16,
        number: u32,
        body: impl Fn(ProcessGroup) -> T + Sync,
    ) -> Vec<T> {
        thread::scope(|scope| {
            let ranks: Vec<_> = (0..size)
                .map(|rank| {
                    let (body, rendezvous) = (&body, rendezvous(rank, size, port));
                    scope.spawn(move || {
                        body(ProcessGroup::connect(rendezvous, number, TIMEOUT).unwrap())
                    })
                })
                .collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor).unwrap()
    }

    #[test]
    fn all_ranks_get_the_same_sum() {
        let sums = with_ranks(3, |group| {
            let rank = f64::from(group.rank());
            let tensor = Tensor::from_slice(&[rank + 1.0, 0.1 * rank]);
            group.all_reduce(&tensor).unwrap();
            values(&tensor)
        });
        assert!((sums[0][0] - 6.0).abs() < 1e-12 && (sums[0][1] - 0.3).abs() < 1e-12);
        assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
    }

    #[test]
    fn operations_in_progress_end_in_any_order() {
        let sums = with_ranks(2, |group| {
            let tensors: Vec<_> = (1..4)
                .map(|size| Tensor::ones([size * 1000], (Kind::Float, Device::Cpu)))
                .collect();
            let mut works: Vec<_> =
                tensors.iter().map(|tensor| group.start_all_reduce(tensor).unwrap()).collect();
            while let Some(work) = works.pop() {
                work.wait().unwrap();
            }
            tensors.iter().map(|tensor| tensor.sum(Kind::Double).double_value(&[])).sum::<f64>()
        });
        assert_eq!(sums, [12_000.0, 12_000.0]);
    }

    #[test]
    fn broadcasts_tensors_and_stores_values() {
        let results = with_ranks(2, |group| {
            let tensor = Tensor::from_slice(&[f64::from(group.rank()), 7.0]);
            group.broadcast(&tensor, 1).unwrap();
            if group.rank() == 0 {
                group.set("config", b"{\"epochs\":2}").unwrap();
            }
            (values(&tensor), group.get("config").unwrap())
        });
        for (tensor, config) in results {
            assert_eq!((tensor, config.as_slice()), (vec![1.0, 7.0], b"{\"epochs\":2}".as_slice()));
        }
    }

    #[test]
    fn later_groups_meet_at_the_same_address() {
        let port = free_port();
        for number in 0..3 {
            let values = connect_ranks(2, port, number, |group| {
                group.set(&format!("rank{}", group.rank()), &[number as u8]).unwrap();
                group.get(&format!("rank{}", 1 - group.rank())).unwrap()
            });
            assert_eq!(values, [[number as u8], [number as u8]]);
        }
    }

    #[test]
    fn a_rank_that_ends_is_an_error_of_the_others() {
        let results = with_ranks(2, |group| {
            if group.rank() == 1 {
                return None;
            }
            let start = Instant::now();
            let error = group.all_reduce(&Tensor::from_slice(&[1.0f32])).unwrap_err();
            Some((error, start.elapsed()))
        });
        let (error, elapsed) = results[0].as_ref().unwrap();
        assert_eq!(error.code, ErrorCode::Distributed);
        let start = "rank 0 of 2 lost the connection to another rank: ";
        assert!(error.message.starts_with(start), "{}", error.message);
        assert!(*elapsed < TIMEOUT, "{elapsed:?}");
    }

    #[test]
    fn an_absent_rank_is_an_error_after_the_timeout() {
        let error = |rank| {
            let timeout = Duration::from_secs(2);
            ProcessGroup::connect(rendezvous(rank, 2, free_port()), 0, timeout).err().unwrap()
        };
        for rank in [0, 1] {
            let error = error(rank);
            assert_eq!(error.code, ErrorCode::Distributed);
            assert!(error.message.starts_with(&format!("rank {rank} of 2 ")), "{}", error.message);
        }
    }

    #[test]
    fn a_port_in_use_is_an_error_of_rank_0() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = ProcessGroup::connect(rendezvous(0, 2, port), 0, TIMEOUT).err().unwrap();
        assert_eq!(error.code, ErrorCode::Distributed);
        let start = format!("rank 0 could not listen at 127.0.0.1:{port}: ");
        assert!(error.message.starts_with(&start), "{}", error.message);
    }
}
