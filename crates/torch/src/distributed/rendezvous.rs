//! The environment variables by which torchrun and other launchers tell a process its place.

use std::net::IpAddr;

use residual_spec::{Error, ErrorCode, Result};

/// Place of this process among all that train together, and the address at which they meet, as
/// `torch.distributed.init_process_group` reads them from the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendezvous {
    /// RANK: number of this process, from 0.
    pub rank: u32,
    /// WORLD_SIZE: number of processes.
    pub world_size: u32,
    /// LOCAL_RANK: number of this process on its machine. Default: RANK modulo LOCAL_WORLD_SIZE.
    pub local_rank: u32,
    /// LOCAL_WORLD_SIZE: number of processes on this machine. Default: WORLD_SIZE if MASTER_ADDR is
    /// loopback, otherwise 1.
    pub local_world_size: u32,
    /// MASTER_ADDR: name or address of the machine of rank 0.
    pub master_addr: String,
    /// MASTER_PORT: port of the store.
    pub master_port: u16,
    /// TORCHELASTIC_RESTART_COUNT: how often the launcher has restarted the processes.
    pub restart_count: u32,
    /// TORCHELASTIC_USE_AGENT_STORE: the launcher serves the store, so rank 0 only connects to it.
    pub uses_agent_store: bool,
}

impl Rendezvous {
    /// Reads the environment. Returns `None` without WORLD_SIZE, and with a WORLD_SIZE of 1: the
    /// process trains alone.
    ///
    /// # Errors
    /// `E_DISTRIBUTED` if another variable is missing, or if a value is invalid.
    pub fn from_env() -> Result<Option<Rendezvous>> {
        Rendezvous::from_variables(&|name| std::env::var(name).ok())
    }

    fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Rendezvous>> {
        let Some(text) = variable("WORLD_SIZE") else { return Ok(None) };
        let world_size = parse("WORLD_SIZE", &text, 1, u32::MAX)?;
        if world_size == 1 {
            return Ok(None);
        }
        let required = |name: &str| {
            variable(name).filter(|value| !value.is_empty()).ok_or_else(|| {
                let message = format!("WORLD_SIZE is {world_size}, but {name} is not set");
                Error::new(ErrorCode::Distributed, message).hint(
                    "Start the processes with `torchrun`, which sets it, or unset WORLD_SIZE to \
                     train with one process.",
                )
            })
        };
        let number = |name: &str, max: u32, default: u32| match variable(name) {
            Some(text) => parse(name, &text, 0, max),
            None => Ok(default),
        };
        let rank = parse("RANK", &required("RANK")?, 0, world_size - 1)?;
        let master_addr = required("MASTER_ADDR")?;
        let local_world_size = match variable("LOCAL_WORLD_SIZE") {
            Some(text) => parse("LOCAL_WORLD_SIZE", &text, 1, world_size)?,
            None if is_loopback(&master_addr) => world_size,
            None => 1,
        };
        Ok(Some(Rendezvous {
            rank,
            world_size,
            local_rank: number("LOCAL_RANK", local_world_size - 1, rank % local_world_size)?,
            local_world_size,
            master_addr,
            master_port: parse("MASTER_PORT", &required("MASTER_PORT")?, 1, u16::MAX.into())?
                as u16,
            restart_count: number("TORCHELASTIC_RESTART_COUNT", u32::MAX, 0)?,
            uses_agent_store: variable("TORCHELASTIC_USE_AGENT_STORE").as_deref() == Some("True"),
        }))
    }
}

fn is_loopback(address: &str) -> bool {
    address == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Parses an integer from `min` to `max`.
fn parse(name: &str, text: &str, min: u32, max: u32) -> Result<u32> {
    let value = text.trim().parse().ok().filter(|value| (min..=max).contains(value));
    value.ok_or_else(|| {
        let range = match max {
            u32::MAX => format!("of at least {min}"),
            max => format!("from {min} to {max}"),
        };
        Error::new(ErrorCode::Distributed, format!("{name} is `{text}`, not an integer {range}"))
            .hint("Launchers such as `torchrun` set these environment variables.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Rendezvous>> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name);
        Rendezvous::from_variables(&|name| find(name).map(|(_, value)| value.to_string()))
    }

    const COMPLETE: [(&str, &str); 8] = [
        ("MASTER_ADDR", "node-0"),
        ("MASTER_PORT", "29500"),
        ("RANK", "5"),
        ("LOCAL_RANK", "1"),
        ("WORLD_SIZE", "8"),
        ("LOCAL_WORLD_SIZE", "4"),
        ("TORCHELASTIC_RESTART_COUNT", "2"),
        ("TORCHELASTIC_USE_AGENT_STORE", "True"),
    ];

    fn with(name: &'static str, value: &'static str) -> Result<Option<Rendezvous>> {
        let mut variables: Vec<_> = COMPLETE.into_iter().filter(|(key, _)| *key != name).collect();
        variables.push((name, value));
        read(&variables)
    }

    #[test]
    fn reads_the_variables_of_torchrun() {
        let expected = Rendezvous {
            rank: 5,
            world_size: 8,
            local_rank: 1,
            local_world_size: 4,
            master_addr: "node-0".into(),
            master_port: 29500,
            restart_count: 2,
            uses_agent_store: true,
        };
        assert_eq!(read(&COMPLETE).unwrap(), Some(expected));
    }

    #[test]
    fn a_process_without_others_trains_alone() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[("WORLD_SIZE", "1")]).unwrap(), None);
        assert_eq!(read(&[("RANK", "3")]).unwrap(), None);
    }

    #[test]
    fn only_processes_that_meet_on_loopback_are_on_one_machine() {
        for (address, expected) in
            [("127.0.0.1", (5, 8)), ("localhost", (5, 8)), ("::1", (5, 8)), ("node-0", (0, 1))]
        {
            let variables = [
                ("MASTER_ADDR", address),
                ("MASTER_PORT", "1"),
                ("RANK", "5"),
                ("WORLD_SIZE", "8"),
            ];
            let found = read(&variables).unwrap().unwrap();
            assert_eq!((found.local_rank, found.local_world_size), expected, "{address}");
            assert_eq!((found.restart_count, found.uses_agent_store), (0, false));
        }
    }

    #[test]
    fn names_missing_and_invalid_variables() {
        let missing = read(&[("WORLD_SIZE", "2")]).unwrap_err();
        assert_eq!(missing.code, ErrorCode::Distributed);
        assert_eq!(missing.message, "WORLD_SIZE is 2, but RANK is not set");
        for (name, value, range) in [
            ("WORLD_SIZE", "0", "of at least 1"),
            ("WORLD_SIZE", "two", "of at least 1"),
            ("RANK", "8", "from 0 to 7"),
            ("RANK", "-1", "from 0 to 7"),
            ("LOCAL_RANK", "4", "from 0 to 3"),
            ("LOCAL_WORLD_SIZE", "9", "from 1 to 8"),
            ("MASTER_PORT", "65536", "from 1 to 65535"),
        ] {
            let error = with(name, value).unwrap_err();
            assert_eq!(error.message, format!("{name} is `{value}`, not an integer {range}"));
        }
        assert_eq!(with("MASTER_ADDR", "").unwrap_err().code, ErrorCode::Distributed);
    }
}
