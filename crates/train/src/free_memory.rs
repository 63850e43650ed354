//! How much main memory a process may still take: what the machine has free, or what a container's
//! limit leaves, whichever is less.

use std::path::Path;

/// Bytes; `None` where the system does not tell (other systems than Linux).
pub(crate) fn free_memory() -> Option<u64> {
    of(&|path| std::fs::read_to_string(path).ok())
}

/// Reads a small text file, if it is there.
type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

fn of(read: Read) -> Option<u64> {
    let machine = 1024 * field(&read(Path::new("/proc/meminfo"))?, "MemAvailable:")?;
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    Some(groups.lines().filter_map(|line| of_group(line, read)).fold(machine, u64::min))
}

/// What the limits of a control group, and of those that it is in, leave.
fn of_group(line: &str, read: Read) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let (root, limit, used, cached) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max", "memory.current", ""),
        "memory" => {
            let names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_");
            ("/sys/fs/cgroup/memory", names.0, names.1, names.2)
        }
        _ => return None,
    };
    let folder = Path::new(root).join(path.trim_start_matches('/'));
    let groups = folder.ancestors().take_while(|folder| folder.starts_with(root));
    let left = |folder: &Path| {
        let number = |name: &str| read(&folder.join(name))?.trim().parse::<u64>().ok();
        // Files that are only remembered are given up when somebody needs the room.
        let statistics = read(&folder.join("memory.stat")).unwrap_or_default();
        let files = |kind: &str| field(&statistics, &format!("{cached}{kind}_file")).unwrap_or(0);
        let used = number(used)?.saturating_sub(files("inactive") + files("active"));
        Some(number(limit)?.saturating_sub(used))
    };
    groups.filter_map(left).min()
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal: 16000 kB\nMemFree: 1 kB\nMemAvailable: 8000 kB\n";

    fn free(files: &[(&str, &str)]) -> Option<u64> {
        of(&|path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| text.to_string())
        })
    }

    #[test]
    fn a_machine_without_containers_has_what_it_says_is_available() {
        assert_eq!(free(&[("/proc/meminfo", MEMINFO)]), Some(8_192_000));
        let root = ("/proc/self/cgroup", "0::/\n");
        let unlimited = ("/sys/fs/cgroup/memory.max", "max\n");
        assert_eq!(free(&[("/proc/meminfo", MEMINFO), root, unlimited]), Some(8_192_000));
        assert_eq!(free(&[]), None);
    }

    #[test]
    fn a_containers_limit_counts_and_so_does_one_around_it() {
        let inner = [
            ("/proc/meminfo", MEMINFO),
            ("/proc/self/cgroup", "0::/a/b\n"),
            ("/sys/fs/cgroup/a/b/memory.max", "6000000\n"),
            ("/sys/fs/cgroup/a/b/memory.current", "3000000\n"),
            (
                "/sys/fs/cgroup/a/b/memory.stat",
                "anon 9\ninactive_file 400000\nactive_file 600000\n",
            ),
        ];
        assert_eq!(free(&inner), Some(4_000_000));
        let outer = [
            ("/sys/fs/cgroup/a/memory.max", "5000000\n"),
            ("/sys/fs/cgroup/a/memory.current", "4000000\n"),
        ];
        assert_eq!(free(&[&inner[..], &outer].concat()), Some(1_000_000));
    }

    #[test]
    fn the_older_kind_of_control_groups_is_read_too() {
        let files = [
            ("/proc/meminfo", MEMINFO),
            ("/proc/self/cgroup", "5:cpu:/x\n4:memory:/x\n0::/\n"),
            ("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "2000000\n"),
            ("/sys/fs/cgroup/memory/x/memory.usage_in_bytes", "1500000\n"),
            (
                "/sys/fs/cgroup/memory/x/memory.stat",
                "inactive_file 1\ntotal_inactive_file 500000\n",
            ),
        ];
        assert_eq!(free(&files), Some(1_000_000));
    }

    #[test]
    fn this_machine_has_some() {
        if cfg!(target_os = "linux") {
            assert!(free_memory().unwrap() > 1 << 20);
        }
    }
}
