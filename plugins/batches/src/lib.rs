//! A data set in shuffled batches, one after another: a task that streams. The host copies the rows: no pixel
//! enters this plugin, and no more batches are made than their readers can take.

use mobula_guest::prelude::*;

/// Arguments of `batches`.
#[args]
pub struct BatchesArgs {
    /// Rows of a batch. The last one of an epoch has what is left.
    size: u32,
    /// How often every row is given.
    #[serde(default = "one")]
    epochs: u32,
    /// Leave out the last batch of an epoch when it is smaller.
    #[serde(default)]
    drop_last: bool,
    /// Another seed than that of the stage.
    #[serde(default)]
    seed: Option<u64>,
}

fn one() -> u32 {
    1
}

/// One object of the stream.
#[outputs]
pub struct Batch {
    /// Rows of `images`.
    images: Tensor,
    /// The same rows of `labels`, where there are labels.
    labels: Option<Tensor>,
    /// Of which epoch, from 0.
    epoch: u32,
    /// Which one within it, from 0.
    index: u32,
}

/// What the task gives once its stream has ended.
#[outputs]
pub struct Batches {
    /// Batches of all epochs.
    batches: u64,
    /// Rows in them.
    rows: u64,
}

/// Stream a data set in batches of `size` rows, shuffled anew in each epoch.
#[task]
pub fn batches(images: Tensor, labels: Option<Tensor>, args: BatchesArgs) -> Result<Batches> {
    let rows = images.rows();
    if let Some(labels) = &labels
        && labels.rows() != rows
    {
        let message = format!("{rows} rows of images, but {} of labels", labels.rows());
        return Err(Error::Invalid(message));
    }
    let rows = u32::try_from(rows).map_err(|_| Error::invalid("more than 2^32 rows"))?;
    if args.size == 0 {
        return Err(Error::invalid("size 0: a batch has at least one row"));
    }
    let mut random = Random::new(args.seed.unwrap_or_else(context::seed));
    let mut order: Vec<u32> = (0..rows).collect();
    let mut given = Batches { batches: 0, rows: 0 };
    for epoch in 0..args.epochs {
        shuffle(&mut order, &mut random);
        for (index, part) in (0..).zip(order.chunks(args.size as usize)) {
            if args.drop_last && part.len() < args.size as usize {
                break;
            }
            let labels = labels.as_ref().map(|labels| labels.gather(part)).transpose()?;
            emit(Batch { images: images.gather(part)?, labels, epoch, index })?;
            given.batches += 1;
            given.rows += part.len() as u64;
        }
        context::progress(u64::from(epoch) + 1, Some(u64::from(args.epochs)));
    }
    Ok(given)
}

/// Fisher and Yates, from the front.
fn shuffle(rows: &mut [u32], random: &mut Random) {
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    for i in 0..count {
        let other = i + random.below(count - i);
        rows.swap(i as usize, other as usize);
    }
}

plugin! { tasks: [batches] }

#[cfg(test)]
mod tests {
    use mobula_guest::stream::emitted;

    use super::*;

    fn data(count: u8) -> (Tensor, Tensor) {
        let images: Vec<u8> = (0..count).flat_map(|row| [row, row]).collect();
        let labels: Vec<u8> = (0..count).collect();
        let rows = u64::from(count);
        let images = Tensor::new(DType::U8, &[rows, 2], &images).unwrap();
        (images, Tensor::new(DType::U8, &[rows], &labels).unwrap())
    }

    fn args(size: u32, epochs: u32, drop_last: bool) -> BatchesArgs {
        BatchesArgs { size, epochs, drop_last, seed: Some(5) }
    }

    #[test]
    fn every_row_comes_once_in_each_epoch_with_its_label() {
        let (images, labels) = data(10);
        let given = batches(images, Some(labels), args(4, 2, false)).unwrap();
        assert_eq!((given.batches, given.rows), (6, 20));
        let stream = emitted::<Batch>();
        let places = stream.iter().map(|batch| (batch.epoch, batch.index, batch.images.rows()));
        let wanted = [(0, 0, 4), (0, 1, 4), (0, 2, 2), (1, 0, 4), (1, 1, 4), (1, 2, 2)];
        assert_eq!(places.collect::<Vec<_>>(), wanted);
        let mut epochs = Vec::new();
        for epoch in stream.chunks(3) {
            let mut seen = Vec::new();
            for batch in epoch {
                let labels = batch.labels.as_ref().unwrap().bytes().unwrap();
                let doubled: Vec<u8> = labels.iter().flat_map(|label| [*label, *label]).collect();
                assert_eq!(batch.images.bytes().unwrap(), doubled);
                seen.extend(labels);
            }
            epochs.push(seen.clone());
            seen.sort_unstable();
            assert_eq!(seen, (0..10).collect::<Vec<u8>>());
        }
        assert_ne!(epochs[0], epochs[1], "each epoch has an order of its own");
    }

    #[test]
    fn the_seed_decides_and_a_small_rest_can_be_left_out() {
        let rows = |batches: Vec<Batch>| -> Vec<u8> {
            batches.iter().flat_map(|batch| batch.images.bytes().unwrap()).collect()
        };
        let (images, _) = data(7);
        let given = batches(images.clone(), None, args(3, 1, true)).unwrap();
        assert_eq!((given.batches, given.rows), (2, 6));
        let first = emitted::<Batch>();
        assert!(first.iter().all(|batch| batch.labels.is_none()));
        batches(images, None, args(3, 1, true)).unwrap();
        assert_eq!(rows(first), rows(emitted()));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let (images, labels) = data(3);
        let error = batches(images.clone(), None, args(0, 1, false)).err().unwrap();
        assert_eq!(error, Error::Invalid("size 0: a batch has at least one row".to_owned()));
        let short = labels.slice(0, 2).unwrap();
        assert!(batches(images, Some(short), args(1, 1, false)).is_err());
        assert!(emitted::<Batch>().is_empty());
    }
}
