//! Names from files, for messages.

/// Maximum number of characters of a name in a message.
const MAX_CHARS: usize = 80;

/// Shortens a name from a file and removes control characters, which terminals interpret.
pub fn printable(name: &str) -> String {
    let is_printable = |letter: &char| !letter.is_control();
    let mut printable: String = name.chars().filter(is_printable).take(MAX_CHARS).collect();
    if name.chars().filter(is_printable).nth(MAX_CHARS).is_some() {
        printable.push_str("...");
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_names_and_removes_control_characters() {
        assert_eq!(printable("a\u{1b}[31m\n.b"), "a[31m.b");
        assert_eq!(printable(&"x".repeat(80)), "x".repeat(80));
        assert_eq!(printable(&"x".repeat(81)), "x".repeat(80) + "...");
        assert_eq!(printable(&("x".repeat(80) + "\n")), "x".repeat(80));
    }
}
