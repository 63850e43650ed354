//! Free main memory: the minimum of the available memory of the machine and the unused memory of
//! the container's limits.

use std::path::Path;

/// Returns the free bytes; `None` on systems other than Linux.
pub(crate) fn free_memory() -> Option<u64> {
    detect(&|path| std::fs::read_to_string(path).ok())
}

/// Returns the contents of a text file, if it exists.
type ReadFile<'a> = &'a dyn Fn(&Path) -> Option<String>;

fn detect(read: ReadFile) -> Option<u64> {
    let machine = 1024 * field(&read(Path::new("/proc/meminfo"))?, "MemAvailable:")?;
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    Some(groups.lines().filter_map(|line| free_in_group(line, read)).fold(machine, u64::min))
}

/// Returns the unused bytes of the limits of a control group and its ancestors. `line` is a line of
/// `/proc/self/cgroup`.
fn free_in_group(line: &str, read: ReadFile) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let (root, limit_file, usage_file, stat_prefix) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max", "memory.current", ""),
        "memory" => {
            let [limit_file, usage_file] = ["memory.limit_in_bytes", "memory.usage_in_bytes"];
            ("/sys/fs/cgroup/memory", limit_file, usage_file, "total_")
        }
        _ => return None,
    };
    let folder = Path::new(root).join(path.trim_start_matches('/'));
    let groups = folder.ancestors().take_while(|folder| folder.starts_with(root));
    let free = |folder: &Path| {
        let number = |name: &str| read(&folder.join(name))?.trim().parse::<u64>().ok();
        // The kernel frees cached file pages when memory is needed.
        let statistics = read(&folder.join("memory.stat")).unwrap_or_default();
        let cached_files =
            |kind: &str| field(&statistics, &format!("{stat_prefix}{kind}_file")).unwrap_or(0);
        let used =
            number(usage_file)?.saturating_sub(cached_files("inactive") + cached_files("active"));
        Some(number(limit_file)?.saturating_sub(used))
    };
    groups.filter_map(free).min()
}

/// Returns the number in the line of `text` that starts with `name`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal: 16000 kB\nMemFree: 1 kB\nMemAvailable: 8000 kB\n";

    fn free(files: &[(&str, &str)]) -> Option<u64> {
        detect(&|path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| text.to_string())
        })
    }

    #[test]
    fn available_memory_is_free_without_limits() {
        assert_eq!(free(&[("/proc/meminfo", MEMINFO)]), Some(8_192_000));
        let root = ("/proc/self/cgroup", "0::/\n");
        let unlimited = ("/sys/fs/cgroup/memory.max", "max\n");
        assert_eq!(free(&[("/proc/meminfo", MEMINFO), root, unlimited]), Some(8_192_000));
        assert_eq!(free(&[]), None);
    }

    #[test]
    fn limits_of_nested_control_groups_apply() {
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
    fn reads_control_groups_of_version_1() {
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
    fn detects_free_memory_on_linux() {
        if cfg!(target_os = "linux") {
            assert!(free_memory().unwrap() > 1 << 20);
        }
    }
}
