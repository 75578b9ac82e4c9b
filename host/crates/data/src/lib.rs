//! CIFAR-10 data on disk: synthetic sets, downloads, contact sheets.
