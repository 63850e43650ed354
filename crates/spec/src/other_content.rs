//! Recognizes texts in place of the content of a file: Git LFS pointers, and the answers of a server
//! to a failed download.

/// Number of bytes at the start of a file that [`OtherContent::detect`] needs.
pub const OTHER_CONTENT_BYTES: usize = 256;

/// Starts of the texts that servers answer in place of a file, in lower case.
const SERVER_MESSAGES: [&str; 11] = [
    "404: not found",
    "404 not found",
    "403 forbidden",
    "not found",
    "access denied",
    "forbidden",
    "bad gateway",
    "{\"error\"",
    "{\"message\"",
    "{\"detail\"",
    "{\"code\"",
];

/// Content that a failed or omitted download leaves in place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherContent {
    /// Nothing: an empty file.
    Empty,
    /// A Git LFS pointer.
    LfsPointer,
    /// A web page, or an error of a server as XML.
    WebPage,
    /// An error of a server as text or JSON.
    ServerMessage,
}

impl OtherContent {
    /// Detects the content from the first bytes of a file.
    pub fn detect(start: &[u8]) -> Option<OtherContent> {
        if start.is_empty() {
            return Some(OtherContent::Empty);
        }
        let start = &start[..start.len().min(OTHER_CONTENT_BYTES)];
        if start.contains(&0) {
            return None;
        }
        let text = String::from_utf8_lossy(start).to_lowercase();
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let starts_with_any = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).take(16).collect();
        if starts_with_any(&["version https://git-lfs", "version https://hawser"]) {
            Some(OtherContent::LfsPointer)
        } else if starts_with_any(&["<!doctype html", "<html", "<head", "<body", "<script", "<!--"])
            || (starts_with_any(&["<?xml", "<error"]) && !text.contains("<svg"))
        {
            Some(OtherContent::WebPage)
        } else if starts_with_any(&SERVER_MESSAGES)
            || SERVER_MESSAGES.iter().any(|start| compact.starts_with(start))
        {
            Some(OtherContent::ServerMessage)
        } else {
            None
        }
    }

    /// Describes the content. The text completes the sentence that begins with the file name.
    pub fn problem(self) -> &'static str {
        match self {
            OtherContent::Empty => "is empty",
            OtherContent::LfsPointer => "is a Git LFS pointer, not the file itself",
            OtherContent::WebPage => "is a web page, not the file itself",
            OtherContent::ServerMessage => "is an error message of a server, not the file itself",
        }
    }

    /// Returns the name of several such files.
    pub fn plural(self) -> &'static str {
        match self {
            OtherContent::Empty => "empty files",
            OtherContent::LfsPointer => "Git LFS pointers",
            OtherContent::WebPage => "web pages",
            OtherContent::ServerMessage => "error messages of a server",
        }
    }

    /// Returns what to do.
    pub fn hint(self) -> &'static str {
        match self {
            OtherContent::Empty => "Download or copy the file again.",
            OtherContent::LfsPointer => "Run `git lfs pull` in the repository.",
            OtherContent::WebPage | OtherContent::ServerMessage => {
                "Download the file again: the download returned this text instead of the file."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detects_pointers_pages_and_messages() {
        for (start, expected) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid"[..], OtherContent::LfsPointer),
            (b"<!DOCTYPE html><html>", OtherContent::WebPage),
            (b"\xef\xbb\xbf\n <html lang=en>", OtherContent::WebPage),
            (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied", OtherContent::WebPage),
            (b"", OtherContent::Empty),
            (b"404: Not Found", OtherContent::ServerMessage),
            (b"{ \"message\": \"Not Found\"}", OtherContent::ServerMessage),
        ] {
            assert_eq!(OtherContent::detect(start), Some(expected));
        }
        for start in [
            &b"path,label\na.jpg,cat"[..],
            b"version 2 of my notes",
            b"<?xml version=\"1.0\"?><svg>",
            b"PK\x03\x04",
            b"404 images",
        ] {
            assert_eq!(OtherContent::detect(start), None, "{start:?}");
        }
    }
}
