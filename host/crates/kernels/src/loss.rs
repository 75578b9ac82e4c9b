//! Softmax and its cross-entropy over rows of logits.
//!
//! Scalar, with `libm` instead of the platform's exponential, so that all processors agree.

/// Replaces each row of k logits by its probabilities.
pub fn softmax(logits: &mut [f32], k: usize) {
    for row in logits.chunks_exact_mut(k) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0.0;
        for z in row.iter_mut() {
            *z = libm::expf(*z - most);
            total += *z;
        }
        row.iter_mut().for_each(|z| *z /= total);
    }
}

/// What a part of a batch adds to loss and accuracy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Σ of the rows' losses.
    pub loss: f64,
    /// Rows whose largest logit (the first of equals) is the label's.
    pub correct: usize,
}

/// Σ over rows of the cross-entropy against labels smoothed as Keras does:
/// y · (1 - smoothing) + smoothing / k. Labels must be below k.
#[must_use]
pub fn cross_entropy(logits: &[f32], k: usize, labels: &[u8], smoothing: f32) -> Score {
    assert_eq!(logits.len(), labels.len() * k, "logits of another shape");
    let mut score = Score::default();
    for (row, &label) in logits.chunks_exact(k).zip(labels) {
        let label = usize::from(label);
        let best =
            row.iter().enumerate().fold(0, |best, (i, z)| if *z > row[best] { i } else { best });
        score.correct += usize::from(best == label);
        let total: f64 = row.iter().map(|z| libm::exp(f64::from(*z) - f64::from(row[best]))).sum();
        let norm = f64::from(row[best]) + libm::log(total);
        let mean = row.iter().map(|z| f64::from(*z)).sum::<f64>() / k as f64;
        let smoothing = f64::from(smoothing);
        score.loss += norm - (1.0 - smoothing) * f64::from(row[label]) - smoothing * mean;
    }
    score
}

/// Replaces each row of logits by the gradient of its loss times `scale`.
pub fn cross_entropy_grad(logits: &mut [f32], k: usize, labels: &[u8], smoothing: f32, scale: f32) {
    assert_eq!(logits.len(), labels.len() * k, "logits of another shape");
    softmax(logits, k);
    let (hot, cold) = (1.0 - smoothing, smoothing / k as f32);
    for (row, &label) in logits.chunks_exact_mut(k).zip(labels) {
        row.iter_mut().for_each(|p| *p -= cold);
        row[usize::from(label)] -= hot;
        row.iter_mut().for_each(|p| *p *= scale);
    }
}
