use std::fs;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use mobula_guest::{Error, Result};

use super::*;

/// A record whose planes are `r`, `g`, `b` but for the first pixel of red, which is the label.
fn record(label: u8) -> Vec<u8> {
    let mut record = vec![label];
    for value in [10, 20, 30] {
        record.extend([value; 1024]);
    }
    record[1] = label;
    record
}

fn binary(labels: &[u8]) -> Vec<u8> {
    labels.iter().flat_map(|label| record(*label)).collect()
}

/// A batch as Python 2 wrote those that are published: protocol 2, numpy's array inside.
fn python2(labels: &[u8]) -> Vec<u8> {
    let mut out = b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05(".to_vec();
    for label in labels {
        out.extend([b'K', *label]);
    }
    out.extend(b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09(K\x01");
    out.extend([b'K', u8::try_from(labels.len()).unwrap()]);
    out.extend(b"M\x00\x0c\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
    let pixels: Vec<u8> = labels.iter().flat_map(|label| record(*label)[1..].to_vec()).collect();
    out.extend(u32::try_from(pixels.len()).unwrap().to_le_bytes());
    out.extend(pixels);
    out.extend(b"tbU\x09filenamesq\x0c]q\x0d(U\x05a.pngq\x0eU\x05b.pngq\x0feu.");
    out
}

fn write(folder: &Path, make: impl Fn(&[u8]) -> Vec<u8>, end: &str) {
    for (i, name) in (1..).zip(TRAIN) {
        fs::write(folder.join(format!("{name}{end}")), make(&[i, i + 1])).unwrap();
    }
    fs::write(folder.join(format!("{TEST}{end}")), make(&[9, 0, 9])).unwrap();
}

fn check(loaded: Result<DataSet>) {
    let loaded = loaded.unwrap();
    assert_eq!(loaded.x_train.shape(), [10, 32, 32, 3]);
    assert_eq!(loaded.y_train.bytes().unwrap(), [1, 2, 2, 3, 3, 4, 4, 5, 5, 6]);
    assert_eq!(loaded.y_test.bytes().unwrap(), [9, 0, 9]);
    let second = loaded.x_train.read(3072, 6).unwrap();
    assert_eq!(second, [2, 20, 30, 10, 20, 30], "pixel by pixel, not plane by plane");
}

fn refused(folder: &Path, parts: &[&str]) {
    let Err(Error::Invalid(message)) = read(folder) else { panic!("{parts:?} must be refused") };
    assert!(parts.iter().all(|part| message.contains(part)), "{parts:?}: {message}");
}

#[test]
fn both_versions_are_read() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), binary, ".bin");
    check(read(folder.path()));
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("cifar-10-batches-py")).unwrap();
    write(&folder.path().join("cifar-10-batches-py"), python2, "");
    check(read(folder.path()));
}

#[test]
fn archives_of_both_versions_are_read() {
    type Make = fn(&[u8]) -> Vec<u8>;
    let versions: [(Make, &str, &str); 2] =
        [(binary, ".bin", "cifar-10-batches-bin"), (python2, "", "cifar-10-batches-py")];
    for (make, end, inside) in versions {
        let (files, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(files.path(), make, end);
        let file = fs::File::create(folder.path().join("cifar-10.tar.gz")).unwrap();
        let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
        tar.append_dir_all(inside, files.path()).unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        check(read(folder.path()));
        let whole = fs::read(folder.path().join("cifar-10.tar.gz")).unwrap();
        fs::write(folder.path().join("cifar-10.tar.gz"), &whole[..whole.len() / 2]).unwrap();
        assert!(read(folder.path()).is_err());
    }
}

#[test]
fn what_is_missing_or_damaged_is_named() {
    let folder = tempfile::tempdir().unwrap();
    refused(folder.path(), &["no CIFAR-10", "it is empty"]);
    write(folder.path(), binary, ".bin");
    let third = folder.path().join("data_batch_3.bin");
    let whole = fs::read(&third).unwrap();
    fs::remove_file(&third).unwrap();
    refused(folder.path(), &["data_batch_3.bin"]);
    fs::write(&third, &whole[..4000]).unwrap();
    refused(folder.path(), &["data_batch_3.bin", "truncated", "offset 3073"]);
    fs::write(&third, []).unwrap();
    refused(folder.path(), &["data_batch_3.bin", "truncated"]);
    let mut wrong = whole.clone();
    wrong[3073] = 10;
    fs::write(&third, wrong).unwrap();
    refused(folder.path(), &["data_batch_3.bin", "label 10", "offset 3073"]);
}

#[test]
fn hostile_pickles_are_refused() {
    let whole = python2(&[1, 2]);
    assert!(Batch::from_pickle("x", &whole).is_ok());
    for cut in (0..whole.len()).step_by(13) {
        assert!(Batch::from_pickle("x", &whole[..cut]).is_err(), "cut at {cut}");
    }
    let cases: [&[u8]; 5] = [
        b"\x80\x02cos\nsystem\nU\x02ls\x85R.",
        b"\x80\x02}.",
        b"]",
        b"\x80\x02T\xff\xff\xff\xff.",
        b"\x80\x02u.",
    ];
    for case in cases {
        assert!(Batch::from_pickle("x", case).is_err(), "{case:?}");
    }
    let error = Batch::from_pickle("x", cases[0]).unwrap_err().to_string();
    assert!(error.contains("`os.system` is not of CIFAR-10 at offset 2"), "{error}");
    let high = python2(&[1, 12]);
    let error = Batch::from_pickle("x", &high).unwrap_err().to_string();
    assert!(error.contains("label 1 is Int(12)"), "{error}");
}
