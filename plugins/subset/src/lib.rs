//! Random rows of a data set, without replacement. The host copies them: no pixel enters this plugin.

use std::collections::BTreeMap;

use mobula_guest::prelude::*;

/// Arguments of `subset`.
#[args]
pub struct SubsetArgs {
    /// How many rows.
    size: u32,
    /// Take of each label its share, by the largest remainder.
    #[serde(default)]
    stratified: bool,
    /// Another seed than that of the stage.
    #[serde(default)]
    seed: Option<u64>,
}

/// The rows taken.
#[outputs]
pub struct Subset {
    /// Rows of `images`, as many as `size`.
    images: Tensor,
    /// The same rows of `labels`, where there are labels.
    labels: Option<Tensor>,
}

/// Take `size` random rows of a data set, without replacement.
#[task]
pub fn subset(images: Tensor, labels: Option<Tensor>, args: SubsetArgs) -> Result<Subset> {
    let rows = images.rows();
    if let Some(labels) = &labels
        && labels.rows() != rows
    {
        let message = format!("{rows} rows of images, but {} of labels", labels.rows());
        return Err(Error::Invalid(message));
    }
    let count = u32::try_from(rows).map_err(|_| Error::invalid("more than 2^32 rows"))?;
    if args.size > count {
        return Err(Error::Invalid(format!("size {} of only {count} rows", args.size)));
    }
    let mut random = Random::new(args.seed.unwrap_or_else(context::seed));
    let chosen = match (&labels, args.stratified) {
        (_, false) => choose(&mut (0..count).collect::<Vec<_>>(), args.size, &mut random),
        (Some(labels), true) => stratify(&labels_of(labels)?, args.size, &mut random),
        (None, true) => return Err(Error::invalid("stratified needs the input `labels`")),
    };
    let labels = labels.map(|labels| labels.gather(&chosen)).transpose()?;
    Ok(Subset { images: images.gather(&chosen)?, labels })
}

/// The first `size` places of a Fisher-Yates shuffle.
fn choose(rows: &mut [u32], size: u32, random: &mut Random) -> Vec<u32> {
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    for i in 0..size.min(count) {
        let other = i + random.below(count - i);
        rows.swap(i as usize, other as usize);
    }
    rows[..size as usize].to_vec()
}

/// Of each label its share of `size`, in random order.
fn stratify(labels: &[i64], size: u32, random: &mut Random) -> Vec<u32> {
    let mut by_label: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for (row, label) in (0..).zip(labels) {
        by_label.entry(*label).or_default().push(row);
    }
    let all = labels.len() as u64;
    let share = |rows: &Vec<u32>| rows.len() as u64 * u64::from(size);
    let mut quotas: Vec<(u64, u64)> =
        by_label.values().map(|rows| (share(rows) / all, share(rows) % all)).collect();
    let given: u64 = quotas.iter().map(|(whole, _)| whole).sum();
    let mut order: Vec<usize> = (0..quotas.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(quotas[*i].1));
    for i in order.into_iter().take(usize::try_from(u64::from(size) - given).unwrap_or(0)) {
        quotas[i].0 += 1;
    }
    let mut chosen = Vec::new();
    for (rows, (quota, _)) in by_label.values_mut().zip(quotas) {
        chosen.extend(choose(rows, u32::try_from(quota).unwrap_or(0), random));
    }
    choose(&mut chosen, size, random)
}

fn labels_of(labels: &Tensor) -> Result<Vec<i64>> {
    let bytes = labels.bytes()?;
    match labels.dtype() {
        DType::U8 | DType::Bool => Ok(bytes.into_iter().map(i64::from).collect()),
        DType::S32 => {
            let (words, _) = bytes.as_chunks::<4>();
            Ok(words.iter().map(|word| i64::from(i32::from_le_bytes(*word))).collect())
        }
        DType::S64 => {
            let (words, _) = bytes.as_chunks::<8>();
            Ok(words.iter().map(|word| i64::from_le_bytes(*word)).collect())
        }
        other => {
            Err(Error::Invalid(format!("labels of {other:?}: stratified needs whole numbers")))
        }
    }
}

plugin! { tasks: [subset] }

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u32) -> Tensor {
        let bytes: Vec<u8> = (0..count).flat_map(u32::to_le_bytes).collect();
        Tensor::new(DType::F32, &[u64::from(count), 1], &bytes).unwrap()
    }

    fn args(size: u32, stratified: bool) -> SubsetArgs {
        SubsetArgs { size, stratified, seed: Some(3) }
    }

    #[test]
    fn rows_are_taken_once_each_with_their_labels() {
        let labels: Vec<u8> = (0..100).collect();
        let labels = Tensor::new(DType::U8, &[100], &labels).unwrap();
        let taken = subset(rows(100), Some(labels), args(40, false)).unwrap();
        let images = taken.images.bytes().unwrap();
        let labels = taken.labels.unwrap().bytes().unwrap();
        let same = images.as_chunks::<4>().0.iter().zip(&labels);
        assert!(same.into_iter().all(|(row, label)| row[0] == *label));
        let mut once = labels.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), 40);
        let again = subset(rows(100), None, args(40, false)).unwrap();
        assert_eq!(again.images.bytes().unwrap(), images, "the seed decides");
    }

    #[test]
    fn stratified_rows_keep_the_shares_of_the_labels() {
        let labels: Vec<u8> = (0..90).map(|i| u8::from(i >= 60)).collect();
        let labels = Tensor::new(DType::U8, &[90], &labels).unwrap();
        let taken = subset(rows(90), Some(labels), args(31, true)).unwrap();
        let ones = taken.labels.unwrap().bytes().unwrap().iter().filter(|l| **l == 1).count();
        assert_eq!(ones, 10);
        assert_eq!(taken.images.rows(), 31);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let error = subset(rows(3), None, args(4, false)).err().unwrap();
        assert_eq!(error, Error::Invalid("size 4 of only 3 rows".to_owned()));
        let labels = Tensor::new(DType::U8, &[2], &[0, 1]).unwrap();
        assert!(subset(rows(3), Some(labels), args(1, false)).is_err());
        assert!(subset(rows(3), None, args(1, true)).is_err());
        assert_eq!(subset(rows(3), None, args(0, false)).unwrap().images.rows(), 0);
    }
}
