//! The names of kuangliu/pytorch-cifar and of akamaster/pytorch_resnet_cifar10.

pub(super) fn rename(name: &str) -> String {
    match name.strip_prefix("linear.") {
        Some(part) => format!("fc.{part}"),
        None => name.replace(".shortcut.", ".downsample."),
    }
}
