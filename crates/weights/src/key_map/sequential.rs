//! Keys of `nn.Sequential(*net.children())`, which numbers the children of torchvision's network,
//! including those without tensors (fastai, feature extractors).

/// Returns the numbers of the stages in a network whose keys are `names`.
pub(super) fn stage_numbers<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u32> {
    let number = |name: &str| name.strip_suffix(".0.conv1.weight")?.parse().ok();
    let mut numbers: Vec<u32> = names.filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

pub(super) fn rename(name: &str, stages: &[u32]) -> String {
    let Some((number, part)) = name.split_once('.') else { return name.into() };
    match number.parse::<u32>() {
        Ok(0) => format!("conv1.{part}"),
        Ok(1) => format!("bn1.{part}"),
        Ok(number) => match stages.iter().position(|stage| *stage == number) {
            Some(stage) => format!("layer{}.{part}", stage + 1),
            None => name.into(),
        },
        Err(_) => name.into(),
    }
}
