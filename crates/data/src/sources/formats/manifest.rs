//! Manifests: CSV (RFC 4180) or JSON Lines files that list images with labels.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use residual_spec::{DataFormat, Error, ErrorCode, OtherContent, Result, WarningEvent};
use serde_json::Value;

use super::columns::{Column, FlagColumn, is_flag_column, missing_column, unused_split_column};
use super::image_list::ImageList;
use crate::sources::disk::ImageLocation;
use crate::sources::files::{detect_other_content, other_content_error};
use crate::sources::image_extension::has_image_extension;
use crate::sources::listing::check_cancelled;
use crate::{Dataset, Split};

/// Maximum size of a manifest in bytes. A manifest of ImageNet has 80 MB.
const MAX_BYTES: u64 = 1 << 29;
/// Maximum length of a line of JSON in bytes.
const MAX_LINE_BYTES: u64 = 1 << 16;
/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Extensions that are tried for a path without one, such as the ids in Kaggle's lists.
const APPENDED_EXTENSIONS: [&str; 6] = ["jpg", "png", "jpeg", "JPG", "PNG", "JPEG"];

/// The format of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ManifestFormat {
    Csv,
    JsonLines,
}

impl ManifestFormat {
    /// Returns the format for the extension of a file; `None` for other files.
    pub fn from_path(file: &Path) -> Option<Self> {
        let extension = file.extension()?.to_str()?.to_ascii_lowercase();
        Some(match extension.as_str() {
            "csv" | "tsv" => ManifestFormat::Csv,
            "jsonl" | "ndjson" => ManifestFormat::JsonLines,
            _ => return None,
        })
    }
}

/// Reads a manifest and parses the headers of all listed images.
///
/// # Errors
/// `E_DATA_FORMAT` with file and line for a line without path and label; `E_DATA_NOT_FOUND` with
/// file and line for a missing image; `E_DATA_UNUSABLE`; `E_IO`; `E_ABORTED`.
pub(crate) fn open(
    source: &str,
    file: &Path,
    format: ManifestFormat,
    cancelled: &dyn Fn() -> bool,
) -> Result<Dataset> {
    let read_error = |cause| Error::read(file, &cause).key("data");
    let opened = File::open(file).map_err(read_error)?;
    if opened.metadata().map_err(read_error)?.len() > MAX_BYTES {
        let megabytes = MAX_BYTES >> 20;
        return Err(malformed(
            file,
            0,
            format!("is larger than {megabytes} MiB, the limit for manifests"),
        ));
    }
    let mut rows = read_rows(file, format, true, cancelled)?;
    let flag_problem = rows.flag.problem();
    if flag_problem.is_some() {
        rows = read_rows(file, format, false, cancelled)?;
    }
    let Rows { list, num_unlabeled, unused_split, .. } = rows;
    if list.is_empty() {
        return Err(malformed(file, 0, "lists no images".into()));
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut set = list.open(source, DataFormat::Manifest, file, folder, cancelled)?;
    let mut warn = |message: String, hint: &str| {
        set.add_warnings(vec![WarningEvent {
            code: ErrorCode::DataUnusable,
            message: format!("{source} {message}"),
            file: Some(file.display().to_string()),
            hint: Some(hint.into()),
        }]);
    };
    if num_unlabeled > 0 {
        warn(
            format!("has test images without a label ({num_unlabeled})"),
            "They were skipped; classify them with `residual predict`.",
        );
    }
    if let Some(column) = unused_split {
        warn(
            format!("has a column '{column}', which is not used"),
            "List the splits in a column `split` with train, val or test.",
        );
    }
    if let Some(problem) = flag_problem {
        warn(
            problem,
            "The column was not used. A flag of validation images is true or false, and false for \
             training images; splits may also be listed in a column `split`.",
        );
    }
    Ok(set)
}

/// The images of a manifest.
struct Rows {
    list: ImageList,
    flag: FlagColumn,
    /// Number of test images without a label, which are not in the list.
    num_unlabeled: usize,
    /// Name of a column that may mean splits, if no column `split` exists.
    unused_split: Option<String>,
}

/// Reads the rows of a manifest.
///
/// # Parameters
/// - `use_flag`: whether a column such as fastai's `is_valid` determines the splits; otherwise the
///   column is ignored
fn read_rows(
    file: &Path,
    format: ManifestFormat,
    use_flag: bool,
    cancelled: &dyn Fn() -> bool,
) -> Result<Rows> {
    let read_error = |cause| Error::read(file, &cause).key("data");
    let opened = File::open(file).map_err(read_error)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut rows = Rows {
        list: ImageList::new(),
        flag: FlagColumn::default(),
        num_unlabeled: 0,
        unused_split: None,
    };
    let mut add = |row: Row| -> Result<()> {
        let Row { line, path, label, .. } = row;
        if line.is_multiple_of(1024) {
            check_cancelled(cancelled)?;
        }
        let split = match (is_flag_column(row.split_column), use_flag) {
            (false, _) => row.split,
            (true, false) => "",
            (true, true) => rows.flag.add(row.split_column, row.split, line),
        };
        if label.is_empty() && Split::from_name(split) == Some(Split::Test) {
            rows.num_unlabeled += 1;
            return Ok(());
        }
        if is_url(path) {
            let problem = format!("lists '{path}', which is a URL, not a file");
            return Err(malformed(file, line, problem)
                .hint("Images are not downloaded: download them first, and list their paths."));
        }
        let split =
            check_fields(path, label, split).map_err(|problem| malformed(file, line, problem))?;
        let image = ImageLocation::File(find_image(folder, path).into());
        rows.list.add(split, label, image, path.as_bytes(), line);
        Ok(())
    };
    let mut reader = BufReader::with_capacity(1 << 16, opened.take(MAX_BYTES));
    if let Some(encoding) = detect_wide_encoding(reader.fill_buf().map_err(read_error)?) {
        return Err(malformed(file, 0, format!("is in {encoding}"))
            .hint("Save the file as UTF-8, or as UTF-16 with a byte order mark."));
    }
    let reader = decode_utf16(reader).map_err(read_error)?;
    rows.unused_split = match format {
        ManifestFormat::Csv => read_csv(file, reader, &mut add)?,
        ManifestFormat::JsonLines => read_json_lines(file, reader, &mut add)?,
    };
    Ok(rows)
}

/// Returns the name of an unsupported encoding with two or four bytes per character, which is detected
/// by the zero bytes of ASCII characters; `None` for other texts.
fn detect_wide_encoding(start: &[u8]) -> Option<&'static str> {
    let start = &start[..start.len().min(64)];
    if start.starts_with(&[0xff, 0xfe, 0, 0]) || start.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Some("UTF-32");
    }
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return None; // UTF-16 with a byte order mark
    }
    let count_zeros = |offset: usize, step: usize| {
        start.iter().skip(offset).step_by(step).filter(|&&byte| byte == 0).count()
    };
    let (units, [even, odd]) = (start.len() / 2, [0, 1].map(|offset| count_zeros(offset, 2)));
    if units < 2 || even + odd < units / 2 {
        None
    } else if even + odd > units {
        Some("UTF-32")
    } else {
        Some("UTF-16 without a byte order mark")
    }
}

/// Converts a file in UTF-16 to UTF-8 if it starts with a byte order mark, as Excel writes it.
/// Returns other files unchanged.
fn decode_utf16(mut reader: impl BufRead + 'static) -> std::io::Result<Box<dyn BufRead>> {
    let unit = match reader.fill_buf()? {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return Ok(Box::new(reader)),
    };
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text: String =
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    Ok(Box::new(Cursor::new(text)))
}

/// Returns the file of an image at `path` relative to `folder`. If there is no such file, replaces
/// backslashes, which Windows writes, by `/`, and appends a usual extension to a name without one.
fn find_image(folder: &Path, path: &str) -> PathBuf {
    let image = folder.join(path);
    let has_extension = has_image_extension(&image);
    if (has_extension && !path.contains('\\')) || image.exists() {
        return image;
    }
    let slashes = folder.join(path.replace('\\', "/"));
    if has_extension || slashes.exists() {
        return slashes;
    }
    let with_extension = |extension: &str| {
        let mut name = slashes.clone().into_os_string();
        name.push(format!(".{extension}"));
        PathBuf::from(name)
    };
    APPENDED_EXTENSIONS
        .iter()
        .map(|extension| with_extension(extension))
        .find(|file| file.exists())
        .unwrap_or(image)
}

/// Returns whether a path is a URL.
fn is_url(path: &str) -> bool {
    path.contains("://") || path.starts_with("www.") || path.starts_with("data:image/")
}

/// Validates the fields of a line. The error text completes the sentence that begins with the file
/// name.
fn check_fields(path: &str, label: &str, split: &str) -> Result<Split, String> {
    if path.is_empty() {
        return Err("has no image path".into());
    }
    if label.is_empty() {
        return Err(format!("has no label for '{path}'"));
    }
    if path.contains('\0') {
        return Err("has a path with a NUL byte".into());
    }
    match split {
        "" => Ok(Split::Train),
        _ => Split::from_name(split)
            .ok_or_else(|| format!("has the split '{split}', not train, val or test")),
    }
}

/// A row of a manifest: an image.
struct Row<'a> {
    line: u32,
    path: &'a str,
    label: &'a str,
    split: &'a str,
    /// Name of the column of `split`; empty without a header.
    split_column: &'a str,
}

/// Adds a row to the list.
type Add<'a> = dyn FnMut(Row) -> Result<()> + 'a;

/// Reads CSV with commas, tabs or semicolons as delimiters. Skips lines before the first image that
/// start with `#`. A first line with names of columns is a header; without a header, the columns
/// are path, label and optionally split. Returns the name of a column that may mean splits and is not
/// used.
fn read_csv(file: &Path, mut reader: impl BufRead, add: &mut Add) -> Result<Option<String>> {
    let start = reader.fill_buf().map_err(|cause| Error::read(file, &cause).key("data"))?;
    let delimiter = find_delimiter(start);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(delimiter)
        .from_reader(reader);
    let mut columns = [Some(0), Some(1), Some(2)];
    let (mut split_name, mut unused_split, mut width) = (String::new(), None, usize::MAX);
    let mut is_first = true;
    let mut record = StringRecord::new();
    loop {
        let has_record = reader.read_record(&mut record).map_err(|error| csv_error(file, error))?;
        if !has_record {
            return Ok(unused_split);
        }
        let line = record.position().map_or(0, |position| position.line() as u32);
        if is_first {
            let has_image = record.iter().any(|field| has_image_extension(Path::new(field)));
            if !has_image && record.get(0).is_some_and(|field| field.starts_with('#')) {
                continue; // a comment
            }
            is_first = false;
            if let (false, Some(header)) = (has_image, parse_header(file, line, &record)?) {
                split_name = header[2].and_then(|i| record.get(i)).unwrap_or("").to_string();
                unused_split = unused_split_column(record.iter()).map(String::from);
                (columns, width) = (header, record.len());
                continue;
            }
        }
        check_record(file, line, &record, columns, width)?;
        let [path, label, split] = columns.map(|column| column.and_then(|i| record.get(i)));
        let (Some(path), Some(label)) = (path, label) else {
            return Err(malformed(file, line, "has no path and label".into()));
        };
        let split = split.unwrap_or("");
        add(Row { line, path, label, split, split_column: &split_name })?;
    }
}

/// Checks that a record is one line of the manifest, and has no more values than the header has
/// columns.
///
/// # Errors
/// `E_DATA_FORMAT`: a quote that is not closed would swallow the following lines, and a comma in a
/// label that is not quoted would cut off the rest of the label.
fn check_record(
    file: &Path,
    line: u32,
    record: &StringRecord,
    columns: [Option<usize>; 3],
    width: usize,
) -> Result<()> {
    let contains_lines = |(index, field): (usize, &str)| {
        let mut lines = field.lines();
        let is_used = columns.contains(&Some(index));
        // A description may have several lines.
        lines.next().is_some() && lines.any(|line| is_used || lists_image(line))
    };
    if record.iter().enumerate().any(contains_lines) {
        return Err(malformed(file, line, "has a quote that is not closed in the line".into())
            .hint("Close the quote, or write a quote within a quoted value twice."));
    }
    if record.iter().skip(width).any(|field| !field.is_empty()) {
        let problem = format!("has {} values, but the header has {width} columns", record.len());
        return Err(malformed(file, line, problem)
            .hint("Quote a value that contains the delimiter: \"Paris, Texas\"."));
    }
    Ok(())
}

/// Returns whether a line has a value that is the path of an image.
fn lists_image(line: &str) -> bool {
    line.split([',', '\t', ';']).any(|value| has_image_extension(Path::new(value.trim())))
}

/// Returns the delimiter of the first line that is neither blank nor a comment: a comma if the line
/// has one, otherwise a tab or a semicolon.
fn find_delimiter(start: &[u8]) -> u8 {
    let start = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start);
    let mut lines = start.split(|byte| matches!(byte, b'\n' | b'\r'));
    let is_content = |line: &&[u8]| {
        let line = line.trim_ascii();
        !line.is_empty() && line[0] != b'#'
    };
    let line = lines.find(is_content).unwrap_or_default();
    [b',', b'\t', b';'].into_iter().find(|byte| line.contains(byte)).unwrap_or(b',')
}

/// Returns the indices of the path, label and split columns in a header. Returns `None` for a line
/// that names neither a path nor a label column.
///
/// # Errors
/// `E_DATA_FORMAT` for a header without a column for the path or the label.
fn parse_header(
    file: &Path,
    line: u32,
    record: &StringRecord,
) -> Result<Option<[Option<usize>; 3]>> {
    let columns = Column::ALL.map(|column| column.find(record.iter()));
    let missing = match columns {
        [None, None, _] => return Ok(None),
        [Some(_), Some(_), _] => return Ok(Some(columns)),
        [None, Some(_), _] => Column::Path,
        [Some(_), None, _] => Column::Label,
    };
    Err(malformed(file, line, missing_column(missing, record.iter())).hint(format!(
        "Rename the column to `{}`: path,label or path,label,split (train, val or test).",
        missing.as_str()
    )))
}

fn csv_error(file: &Path, error: csv::Error) -> Error {
    let line = error.position().map_or(0, |position| position.line() as u32);
    match error.into_kind() {
        csv::ErrorKind::Io(cause) => Error::read(file, &cause).key("data"),
        csv::ErrorKind::Utf8 { pos, .. } => {
            let line = pos.map_or(line, |position| position.line() as u32);
            malformed(file, line, "is not valid UTF-8".into()).hint("Save the file as UTF-8.")
        }
        other => malformed(file, line, format!("is not valid CSV: {other:?}")),
    }
}

/// Reads one JSON object per line, with a path, a label and optionally a split under the names of
/// [`Column`]. Path and split are strings; a label may also be a whole number or a boolean. Returns
/// the name of a key that may mean splits and is not used.
fn read_json_lines(file: &Path, mut reader: impl BufRead, add: &mut Add) -> Result<Option<String>> {
    let (mut bytes, mut unused_split) = (Vec::new(), None);
    for line in 1.. {
        bytes.clear();
        let result = (&mut reader).take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut bytes);
        if result.map_err(|cause| Error::read(file, &cause).key("data"))? == 0 {
            break;
        }
        if bytes.len() as u64 > MAX_LINE_BYTES {
            return Err(malformed(file, line, format!("is longer than {MAX_LINE_BYTES} bytes")));
        }
        let text = match line {
            1 => bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes),
            _ => &bytes,
        };
        if text.trim_ascii().is_empty() {
            continue;
        }
        let object: Value = serde_json::from_slice(text)
            .map_err(|cause| malformed(file, line, format!("is not valid JSON: {cause}")))?;
        let Value::Object(object) = object else {
            return Err(malformed(file, line, "is not a JSON object".into()));
        };
        let text = |column: Column| -> Result<String> {
            let Some((key, value)) = column.find_in_object(&object) else {
                return match column {
                    Column::Split => Ok(String::new()),
                    Column::Path | Column::Label => {
                        let names = object.keys().map(String::as_str);
                        Err(malformed(file, line, missing_column(column, names)))
                    }
                };
            };
            parse_field(column, value).ok_or_else(|| {
                let expected = match column {
                    Column::Path => "is not a string",
                    Column::Label | Column::Split => {
                        "is neither a string, a whole number nor a boolean"
                    }
                };
                malformed(file, line, format!("has a `{key}` that {expected}"))
            })
        };
        let [path, label, split] = [Column::Path, Column::Label, Column::Split].map(text);
        let (path, label, split) = (&path?, &label?, &split?);
        let split_column = Column::Split.find_in_object(&object).map_or("", |(key, _)| key);
        add(Row { line, path, label, split, split_column })?;
        if unused_split.is_none() {
            unused_split = unused_split_column(object.keys().map(String::as_str)).map(String::from);
        }
    }
    Ok(unused_split)
}

/// Returns the text of a JSON value, empty for null. A label or a split may also be a
/// whole number or a boolean, such as a flag `is_valid`. Returns `None` for other types.
fn parse_field(column: Column, value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) if column != Column::Path => parse_json_label(value),
        Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns the label in a JSON value: a string that is not blank, a whole number or a boolean.
/// Returns `None` for other values.
pub(crate) fn parse_json_label(value: &Value) -> Option<String> {
    match value {
        Value::String(label) => {
            Some(label.trim()).filter(|label| !label.is_empty()).map(Into::into)
        }
        Value::Bool(label) => Some(label.to_string()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
            (number.abs() < 1e9).then(|| number.to_string())
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns the error for a malformed manifest, or for a text in place of a manifest. Its message is the
/// file name, the line unless it is 0, and `problem`.
fn malformed(file: &Path, line: u32, problem: String) -> Error {
    let content = detect_other_content(file);
    if let Some(content) = content.filter(|content| *content != OtherContent::Empty) {
        return other_content_error(file, content);
    }
    let location = match line {
        0 => file.display().to_string(),
        _ => format!("{}, line {line},", file.display()),
    };
    let hint = match ManifestFormat::from_path(file) {
        Some(ManifestFormat::JsonLines) => {
            r#"Write one object per line: {"path": "a.jpg", "label": "cat", "split": "train"}."#
        }
        _ => "Write one line per image: path,label or path,label,split (train, val or test).",
    };
    let error =
        Error::new(ErrorCode::DataFormat, format!("{location} {problem}")).key("data").file(file);
    match line {
        0 => error.hint(hint),
        _ => error.line(line).hint(hint),
    }
}

#[cfg(test)]
mod tests {
    use residual_spec::DataConfig;
    use tempfile::TempDir;

    use super::*;

    /// Creates a folder with two images, `a.jpg` and `two words/b, c.png`, and a manifest.
    fn create_folder(name: &str, manifest: &[u8]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let images = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        std::fs::create_dir(folder.path().join("two words")).unwrap();
        std::fs::copy(format!("{images}/baseline.jpg"), folder.path().join("a.jpg")).unwrap();
        let b = folder.path().join("two words/b, c.png");
        std::fs::copy(format!("{images}/picture.png"), b).unwrap();
        std::fs::write(folder.path().join(name), manifest).unwrap();
        folder
    }

    fn open(name: &str, manifest: &[u8]) -> Result<Dataset> {
        open_in(&create_folder(name, manifest), name)
    }

    fn open_in(folder: &TempDir, name: &str) -> Result<Dataset> {
        let source = Some(folder.path().join(name).display().to_string());
        crate::open(&DataConfig { source, ..DataConfig::default() }, &|| false)
    }

    fn open_error(name: &str, manifest: &[u8]) -> (ErrorCode, Option<u32>, String) {
        let error = open(name, manifest).err().expect("an error");
        assert!(error.at.file.as_deref().unwrap().ends_with(name), "{error:?}");
        assert!(error.hint.is_some() && error.at.key.as_deref() == Some("data"), "{error:?}");
        (error.code, error.at.line, error.message)
    }

    fn counts(set: &Dataset) -> [u32; 3] {
        [set.facts().train, set.facts().val, set.facts().test]
    }

    #[test]
    fn csv_allows_quotes_spaces_crlf_and_a_bom() {
        let text = "\u{feff}a.jpg,cat\r\n\"two words/b, c.png\",\"big \"\"dog\"\"\" ,train\r\n\r\n\
                    ./a.jpg,cat,Valid\r\na.jpg,cat,test";
        let folder = create_folder("labels.csv", text.as_bytes());
        let set = open_in(&folder, "labels.csv").unwrap();
        assert_eq!(set.facts().classes, ["big \"dog\"", "cat"]);
        assert_eq!(counts(&set), [2, 1, 1]);
        assert_eq!(set.facts().format, DataFormat::Manifest);
        let train = set.source(Split::Train);
        assert_eq!([train.label(0), train.label(1)], [1, 0]);
        assert!(train.name(1).ends_with("b, c.png"));
        train.read_into(1, 3, &mut crate::Image::default()).unwrap();
    }

    #[test]
    fn csv_header_names_columns_in_any_order() {
        let text = b"split,id,label,path\n,7,cat,a.jpg\ntrain,8,dog,two words/b\\, c.png\n";
        let (code, line, _) = open_error("labels.csv", text);
        assert_eq!((code, line), (ErrorCode::DataFormat, Some(3)));
        let text = b"split,id,label,path\n,7,cat,a.jpg\ntest,8,cat,a.jpg\ntrain,9,dog,a.jpg";
        assert_eq!(counts(&open("labels.CSV", text).unwrap()), [2, 0, 1]);
    }

    #[test]
    fn json_labels_are_strings_or_integers() {
        let text = "\u{feff}{\"path\": \"a.jpg\", \"label\": 10, \"size\": 3}\r\n\n\
                    {\"label\": \"9\", \"path\": \"two words/b, c.png\", \"split\": \"train\"}";
        let set = open("labels.jsonl", text.as_bytes()).unwrap();
        assert_eq!(set.facts().classes, ["9", "10"]);
        assert_eq!(set.source(Split::Train).label(0), 1);
    }

    #[test]
    fn flags_of_validation_images_are_splits() {
        for (name, text) in [
            ("a.csv", &b"fname,labels,is_valid\na.jpg,cat,False\na.jpg,dog,\na.jpg,dog,True"[..]),
            ("a.csv", b"path,label,is_val\na.jpg,cat,0\na.jpg,dog,0\na.jpg,dog,1"),
            (
                "a.jsonl",
                b"{\"path\": \"a.jpg\", \"label\": \"cat\", \"is_valid\": false}\n\
                  {\"path\": \"a.jpg\", \"label\": \"dog\", \"is_valid\": null}\n\
                  {\"path\": \"a.jpg\", \"label\": \"dog\", \"is_valid\": true}",
            ),
        ] {
            let set = open(name, text).unwrap();
            assert_eq!((set.facts().train, set.facts().val), (2, 1), "{name}");
        }
        for (text, problem) in [
            (&b"path,label,is_valid\na.jpg,cat,maybe\na.jpg,dog,1"[..], "'maybe' in line 2"),
            (b"path,label,is_valid\na.jpg,cat,1\na.jpg,dog,1", "it is true in every line"),
        ] {
            let set = open("a.csv", text).unwrap();
            assert_eq!(counts(&set), [2, 0, 0]);
            let message = &set.warnings().last().unwrap().message;
            assert!(message.contains("has a column 'is_valid' that is not a flag"), "{message}");
            assert!(message.ends_with(problem), "{message}");
        }
    }

    #[test]
    fn a_record_is_one_line_with_the_columns_of_the_header() {
        for (text, problem) in [
            (
                &b"path,label\na.jpg,cat\na.jpg,\"dog\na.jpg,cat\na.jpg,dog\"\na.jpg,dog"[..],
                "line 3, has a quote that is not closed in the line",
            ),
            (b"path,label\na.jpg,\"dog\na.jpg,cat", "line 2, has a quote"),
            (
                b"path,label,text\na.jpg,dog,\"one\na.jpg,cat,two\"\na.jpg,cat,",
                "line 2, has a quote",
            ),
            (
                b"path,label\na.jpg,Paris, Texas\na.jpg,Paris, France",
                "line 2, has 3 values, but the header has 2 columns",
            ),
        ] {
            let error = open("a.csv", text).err().unwrap();
            assert_eq!(error.code, ErrorCode::DataFormat);
            assert!(error.message.contains(problem), "{error}");
        }
        for text in [
            &b"path,label,text\na.jpg,dog,\"one\ntwo\"\na.jpg,cat,"[..],
            b"path,label\na.jpg,\"Paris, Texas\"\na.jpg,Paris,,",
        ] {
            assert_eq!(counts(&open("a.csv", text).unwrap()), [2, 0, 0]);
        }
    }

    #[test]
    fn warns_of_columns_that_may_mean_splits_and_are_not_used() {
        for (name, text) in [
            ("a.csv", &b"path,label,is_test\na.jpg,cat,0\na.jpg,dog,1"[..]),
            (
                "a.jsonl",
                b"{\"path\": \"a.jpg\", \"label\": \"cat\", \"is_test\": false}\n\
                  {\"path\": \"a.jpg\", \"label\": \"dog\", \"is_test\": true}",
            ),
        ] {
            let set = open(name, text).unwrap();
            let message = &set.warnings().last().unwrap().message;
            assert!(message.ends_with("has a column 'is_test', which is not used"), "{message}");
        }
        let set =
            open("a.csv", b"path,label,split,fold\na.jpg,cat,train,0\na.jpg,dog,train,1").unwrap();
        assert!(!set.warnings().iter().any(|warning| warning.message.contains("fold")));
    }

    #[test]
    fn accepts_column_names_delimiters_and_encodings_of_other_programs() {
        let utf16: Vec<u8> = "\u{feff}path,label\na.jpg,cat\na.jpg,dog\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for (name, text) in [
            ("a.csv", &b"filename,label\na.jpg,cat\na.jpg,dog"[..]),
            ("a.csv", b"file_name,class\na.jpg,cat\na.jpg,dog"),
            ("a.csv", b"Label,Path,Split\ncat,a.jpg,training\ndog,a.jpg,TRAIN"),
            ("a.csv", b",filepath,label\n0,a.jpg,cat\n1,a.jpg,dog"),
            ("a.csv", b"id,breed\na,cat\na,dog"),
            ("a.csv", b"path;label;split\na.jpg;cat;train\na.jpg;dog;"),
            ("a.tsv", b"a.jpg\tcat\na.jpg\tdog"),
            ("a.csv", b"# made by me\npath,label\na.jpg,cat\na.jpg,dog"),
            ("a.csv", b"\xef\xbb\xbf# made by me\npath;label\na.jpg;cat\na.jpg;dog"),
            ("a.csv", b"path,label\n.\\a.jpg,cat\na.jpg,dog"),
            ("a.csv", b"path,label,split\na.jpg,cat,\na.jpg,dog,"),
            ("a.csv", &utf16),
            (
                "a.jsonl",
                br#"{"file_name": "a.jpg", "label": "cat"}
                {"image": "a.jpg", "category": "dog"}"#,
            ),
        ] {
            let set = open(name, text)
                .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)));
            let text = String::from_utf8_lossy(text);
            assert_eq!(
                (set.facts().classes.join(" "), counts(&set)),
                ("cat dog".into(), [2, 0, 0]),
                "{text}"
            );
        }
    }

    #[test]
    fn whole_numbers_with_a_decimal_point_are_integers() {
        for (name, text) in [
            ("a.csv", &b"path,label\na.jpg,10.0\na.jpg,9.0\na.jpg,9"[..]),
            (
                "a.jsonl",
                br#"{"path": "a.jpg", "label": 10.0}
                {"path": "a.jpg", "label": 9.0}
                {"path": "a.jpg", "label": 9}"#,
            ),
        ] {
            let set = open(name, text).unwrap();
            assert_eq!((set.facts().classes.join(" "), counts(&set)), ("9 10".into(), [3, 0, 0]));
        }
        assert_eq!(open("a.csv", b"a.jpg,1.0\na.jpg,1.5").unwrap().facts().classes, ["1.0", "1.5"]);
    }

    #[test]
    fn test_images_without_a_label_are_skipped_with_a_warning() {
        let set = open("a.csv", b"a.jpg,cat\na.jpg,dog\na.jpg,,test\na.jpg,,test").unwrap();
        assert_eq!(counts(&set), [2, 0, 0]);
        let message = &set.warnings().last().unwrap().message;
        assert!(message.ends_with("test images without a label (2)"), "{message}");
    }

    #[test]
    fn images_that_are_listed_twice_are_named() {
        let text = b"a.jpg,cat\n./a.jpg,dog\na.jpg,cat\na.jpg,1,test\na.jpg,cat,test\n";
        let error = open("a.csv", text).err().unwrap();
        assert!(error.message.contains("the class '1'"), "{error}");
        let set = open("a.csv", b"a.jpg,1\n./a.jpg,2\na.jpg,1.0\na.jpg,1,test\n").unwrap();
        let messages: Vec<&str> = set.warnings().iter().map(|warning| &*warning.message).collect();
        assert!(messages[0].contains("with different labels (1)"), "{messages:?}");
        assert!(messages[0].ends_with("'1' (line 1) and '2' (line 2)"), "{messages:?}");
        assert!(messages[1].contains("in more than one split (1)"), "{messages:?}");
        assert!(messages[2].contains("more than once (1)"), "{messages:?}");
        assert!(messages[2].ends_with("a.jpg (lines 1 and 3)"), "{messages:?}");
    }

    #[test]
    fn a_test_split_without_readable_images_is_ignored_with_a_warning() {
        let set = open("a.csv", b"a.jpg,cat\na.jpg,dog\na.csv,dog,test\n").unwrap();
        assert_eq!(counts(&set), [2, 0, 0]);
        let messages: Vec<&str> = set.warnings().iter().map(|warning| &*warning.message).collect();
        let expected = "has no readable images; found .csv files that are not images (1)";
        assert!(messages.iter().any(|message| message.ends_with(expected)), "{messages:?}");
    }

    #[test]
    fn the_error_names_urls_encodings_and_texts_in_place_of_a_list() {
        let error = open("a.csv", b"url,label\nhttps://x.org/a.jpg,cat").err().unwrap();
        assert!(error.message.contains("is a URL"), "{error}");
        assert!(error.hint.unwrap().contains("download them first"));
        let text = "path,label\na.jpg,cat\na.jpg,dog\n";
        let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(bytes).collect()
        };
        let utf32: Vec<u8> = text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
        for (bytes, encoding) in [
            (utf16(u16::to_le_bytes), "is in UTF-16 without a byte order mark"),
            (utf16(u16::to_be_bytes), "is in UTF-16 without a byte order mark"),
            (utf32, "is in UTF-32"),
        ] {
            let error = open("a.csv", &bytes).err().unwrap();
            assert!(error.message.ends_with(encoding), "{error}");
        }
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n";
        for name in ["a.csv", "a.jsonl"] {
            let error = open(name, pointer).err().unwrap();
            assert!(error.message.ends_with("is a Git LFS pointer, not the file itself"));
            assert!(error.hint.unwrap().contains("git lfs pull"));
        }
    }

    #[test]
    fn reports_malformed_lines_by_number() {
        let expected_code = ErrorCode::DataFormat;
        for (text, line, problem) in [
            ("a.jpg,cat\na.jpg", Some(2), "no path and label"),
            ("a.jpg,cat\na.jpg,", Some(2), "no label"),
            ("a.jpg,cat\n,dog", Some(2), "no image"),
            ("a.jpg,cat,fold3", Some(1), "split 'fold3'"),
            ("http://x/a.jpg,cat", Some(1), "a URL"),
            (
                "path,color\na.jpg,cat",
                Some(1),
                "no column for the label: its columns are 'path', 'color'",
            ),
            (
                "name,label\na.jpg,cat",
                Some(1),
                "no column for the path: its columns are 'name', 'label'",
            ),
            ("", None, "no images"),
            ("path,label\n", None, "no images"),
        ] {
            let (code, at_line, message) = open_error("labels.csv", text.as_bytes());
            assert_eq!((code, at_line), (expected_code, line), "{text}: {message}");
            assert!(message.contains(problem), "{text}: {message}");
        }
        for (text, line, problem) in [
            (r#"{"path": "a.jpg", "label": 1.5}"#, 1, "`label`"),
            (r#"{"path": 3, "label": "x"}"#, 1, "`path`"),
            ("{\"path\": \"a.jpg\", \"label\": 1}\n{\"path\"", 2, "not valid JSON"),
            ("[1]", 1, "not a JSON object"),
            (
                r#"{"label": "x", "size": 3}"#,
                1,
                "no column for the path: its columns are 'label', 'size'",
            ),
        ] {
            let (code, at_line, message) = open_error("labels.jsonl", text.as_bytes());
            assert_eq!((code, at_line), (expected_code, Some(line)), "{text}: {message}");
            assert!(message.contains(problem), "{text}: {message}");
        }
        let deep = "[".repeat(60_000);
        assert_eq!(open_error("labels.jsonl", deep.as_bytes()).1, Some(1));
        let long = format!("{{\"path\": \"{}\"}}", "x".repeat(1 << 17));
        assert_eq!(open_error("labels.jsonl", long.as_bytes()).1, Some(1));
        assert_eq!(open_error("labels.csv", b"a.jpg,cat\na.jpg,d\xffg\n").1, Some(2));
    }

    #[test]
    fn reports_missing_images_and_unknown_classes_by_line() {
        let (code, line, message) = open_error("labels.csv", b"a.jpg,cat\nb.jpg,dog\n");
        assert_eq!((code, line), (ErrorCode::DataNotFound, Some(2)));
        assert!(message.contains("b.jpg"), "{message}");
        let (code, line, _) = open_error("labels.csv", b"a.jpg,cat\na.jpg,dog\na.jpg,cow,val\n");
        assert_eq!((code, line), (ErrorCode::DataUnusable, Some(3)));
        let (code, line, _) = open_error("labels.csv", b"a.jpg,cat\na.jpg,cat\n");
        assert_eq!((code, line), (ErrorCode::DataUnusable, None));
        let (code, line, _) = open_error("labels.csv", b"a.jpg,cat\ntwo words,dog\n");
        assert_eq!((code, line), (ErrorCode::Io, Some(2)));
    }

    #[test]
    fn a_file_that_is_not_an_image_is_skipped_with_a_warning() {
        let set =
            open("labels.csv", b"a.jpg,cat\n\"two words/b, c.png\",dog\nlabels.csv,dog\n").unwrap();
        assert_eq!(counts(&set), [2, 0, 0]);
        assert_eq!(set.warnings().len(), 1);
        assert!(set.warnings()[0].message.contains("labels.csv"));
    }

    #[test]
    fn the_fingerprint_depends_on_the_list_not_on_its_folder() {
        let fingerprint =
            |text: &[u8]| open("labels.csv", text).unwrap().facts().fingerprint.clone();
        let expected = fingerprint(b"a.jpg,cat\na.jpg,dog\n");
        assert_eq!(expected, fingerprint(b"path,label\na.jpg,cat\na.jpg,dog\n"));
        assert_ne!(expected, fingerprint(b"a.jpg,dog\na.jpg,cat\n"));
        assert_ne!(expected, fingerprint(b"a.jpg,cat\na.jpg,dog\na.jpg,dog\n"));
    }
}
