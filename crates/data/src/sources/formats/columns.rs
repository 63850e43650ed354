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

/// Returns the letters and digits of a column name in lower case.
fn normalize(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Converts a field of the split column `name` to the name of a split. A flag in a column such as
/// fastai's `is_valid` becomes `val` if it is true, and `train` if it is false or empty.
pub(crate) fn parse_split_field<'a>(name: &str, value: &'a str) -> &'a str {
    if !normalize(name).starts_with("isval") {
        return value;
    }
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "1.0" | "yes" => "val",
        "false" | "0" | "0.0" | "no" | "" => "train",
        _ => value,
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
}
