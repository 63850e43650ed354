//! Keys of kuangliu/pytorch-cifar and akamaster/pytorch_resnet_cifar10.

pub(super) fn rename(name: &str) -> String {
    match name.strip_prefix("linear.") {
        Some(part) => format!("fc.{part}"),
        None => name.replace(".shortcut.", ".downsample."),
    }
}
