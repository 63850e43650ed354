//! Names of columns in CSV and of keys in JSON, as written by pandas, Kaggle, Hugging Face and
//! fastai.

use serde_json::{Map, Value};

/// The meaning of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Path,
    Label,
    Split,
}

impl Column {
    pub const ALL: [Column; 3] = [Column::Path, Column::Label, Column::Split];

    pub fn as_str(self) -> &'static str {
        match self {
            Column::Path => "path",
            Column::Label => "label",
            Column::Split => "split",
        }
    }

    /// Returns the names of the column in lower case without separators, preferred names first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Column::Path => &[
                "path",
                "filepath",
                "filename",
                "file",
                "imagepath",
                "imgpath",
                "imagefile",
                "imagefilename",
                "imagename",
                "imgname",
                "image",
                "img",
                "fname",
                "relpath",
                "relativepath",
                "photo",
                "picture",
                "imageid",
                "imgid",
                "id",
                // A column of URLs is refused by its content.
                "url",
                "uri",
                "imageurl",
                "imgurl",
                "photourl",
            ],
            Column::Label => &[
                "label",
                "labelname",
                "classname",
                "categoryname",
                "class",
                "category",
                "labels",
                "classes",
                "cls",
                "target",
                "species",
                "breed",
                "diagnosis",
                "dx",
                "tag",
                "groundtruth",
                "gt",
                "y",
                "labelid",
                "classid",
                "categoryid",
                "classlabel",
            ],
            Column::Split => &[
                "split",
                "subset",
                "set",
                "partition",
                "datasplit",
                "dataset",
                "usage",
                "phase",
                // Flags of validation images: fastai's `is_valid`.
                "isvalid",
                "isval",
                "isvalidation",
            ],
        }
    }

    /// Returns the index of the column among `names`. Ignores case and separators.
    pub fn find<'a>(self, names: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
        let names: Vec<String> = names.map(normalize).collect();
        self.names().iter().find_map(|known| names.iter().position(|name| name == known))
    }

    /// Returns the key and value of the column in a JSON object. Ignores case and separators.
    pub fn find_in_object(self, object: &Map<String, Value>) -> Option<(&String, &Value)> {
        object.iter().nth(self.find(object.keys().map(String::as_str))?)
    }
}

/// Normalized names of columns that often mean splits and that are not read.
const UNUSED_SPLITS: [&str; 12] = [
    "istest",
    "test",
    "istrain",
    "istraining",
    "train",
    "val",
    "valid",
    "validation",
    "fold",
    "kfold",
    "foldid",
    "holdout",
];

/// Returns the name of a column that may mean splits, if no other column of `names` does.
pub(super) fn unused_split_column<'a>(
    mut names: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    if Column::Split.find(names.clone()).is_some() {
        return None;
    }
    names.find(|name| UNUSED_SPLITS.contains(&normalize(name).as_str()))
}

/// Returns the letters and digits of a column name in lower case.
pub(super) fn normalize(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns whether a split column has the name of a flag of validation images.
pub(crate) fn is_flag_column(name: &str) -> bool {
    normalize(name).starts_with("isval")
}

/// The values of a column with a name such as fastai's `is_valid`.
///
/// The column is a flag of validation images if all values are true or false, and some are false.
/// Otherwise the column may have another meaning, such as that an image is intact.
#[derive(Default)]
pub(crate) struct FlagColumn {
    name: String,
    has_training_image: bool,
    has_flag: bool,
    /// Line and text of the first value that is not a flag.
    other: Option<(u32, String)>,
}

impl FlagColumn {
    /// Adds the value of a line. Returns the split that the flag means: `val` for true, `train` for
    /// false and for an empty value.
    pub fn add(&mut self, name: &str, value: &str, line: u32) -> &'static str {
        if self.name.is_empty() {
            self.name = name.into();
        }
        self.has_flag |= !value.is_empty();
        let is_val = match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "1.0" | "yes" | "t" | "y" => true,
            "false" | "0" | "0.0" | "no" | "f" | "n" | "" => false,
            _ => {
                self.other.get_or_insert_with(|| (line, value.into()));
                false
            }
        };
        self.has_training_image |= !is_val;
        if is_val { "val" } else { "train" }
    }

    /// Returns why the column is not a flag of validation images, for a message that starts with
    /// the file name; `None` if the column is a flag, or if no such column was added.
    pub fn problem(&self) -> Option<String> {
        let name = &self.name;
        match &self.other {
            _ if !self.has_flag => None,
            Some((line, value)) => Some(format!(
                "has a column '{name}' that is not a flag of validation images: '{value}' in line \
                 {line}"
            )),
            None if !self.has_training_image => Some(format!(
                "has a column '{name}' that is not a flag of validation images: it is true in every \
                 line"
            )),
            None => None,
        }
    }
}

/// Describes a header with the columns `names`, which have none for `missing`. The text completes a
/// sentence that begins with the file name.
pub(crate) fn missing_column<'a>(missing: Column, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("'{name}'")).collect();
    let names = names.join(", ");
    format!("has no column for the {}: its columns are {names}", missing.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_columns_under_the_names_of_other_programs() {
        for (column, header, index) in [
            (Column::Path, "filename,label", Some(0)),
            (Column::Path, ",file_name,Path", Some(2)),
            (Column::Path, "id,breed", Some(0)),
            (Column::Path, "Image Path,id", Some(0)),
            (Column::Label, "id,breed", Some(1)),
            (Column::Label, "class_id,class_name", Some(1)),
            (Column::Label, "path,color", None),
            (Column::Split, "path,label,Subset", Some(2)),
            (Column::Split, "path,label,is_valid", Some(2)),
        ] {
            assert_eq!(column.find(header.split(',')), index, "{header}");
        }
    }

    #[test]
    fn a_flag_column_has_flags_and_training_images() {
        let column = |values: &[&str]| {
            let mut column = FlagColumn::default();
            let splits: Vec<&str> = values
                .iter()
                .zip(2..)
                .map(|(value, line)| column.add("is_valid", value, line))
                .collect();
            (splits.join(" "), column.problem())
        };
        assert_eq!(column(&["True", "0", ""]), ("val train train".into(), None));
        assert_eq!(column(&["", ""]), ("train train".into(), None));
        assert_eq!(column(&[]).1, None);
        assert!(column(&["1", "1"]).1.unwrap().ends_with("it is true in every line"));
        assert!(column(&["1", "0", "0.83"]).1.unwrap().ends_with("'0.83' in line 4"));
    }
}
